import type { ModelIndex } from "../checkpoint/model-index.js";
import { expectSource } from "../checkpoint/source.js";
import { ArgumentError } from "../errors.js";
import type { ControlName, StartName, WorkflowName } from "../families/family.js";
import { familiesByPipeline } from "../families/lookups.js";
import type { Folder } from "../platform/folder.js";
import type { ControlNetComponents } from "./adapters/controlnets.js";
import type { DiffusionPipeline } from "./diffusion-pipeline.js";
import { pipelineFromPipe } from "./from-pipe.js";
import { openPipeline, type PipelineOptions } from "./open-pipeline.js";
import { type PartsOf, pipelineClass } from "./pipeline-classes.js";
import type { StableDiffusionPipeline } from "./stable-diffusion.js";
import type { StableDiffusionControlNetPipeline } from "./stable-diffusion-controlnet.js";
import type { StableDiffusionControlNetImg2ImgPipeline } from "./stable-diffusion-controlnet-img2img.js";
import type { StableDiffusionControlNetInpaintPipeline } from "./stable-diffusion-controlnet-inpaint.js";
import type { StableDiffusionImg2ImgPipeline } from "./stable-diffusion-img2img.js";
import type { StableDiffusionInpaintPipeline } from "./stable-diffusion-inpaint.js";
import type { StableDiffusionXLPipeline } from "./stable-diffusion-xl.js";
import type { StableDiffusionXLControlNetPipeline } from "./stable-diffusion-xl-controlnet.js";
import type { StableDiffusionXLControlNetImg2ImgPipeline } from "./stable-diffusion-xl-controlnet-img2img.js";
import type { StableDiffusionXLControlNetInpaintPipeline } from "./stable-diffusion-xl-controlnet-inpaint.js";
import type { StableDiffusionXLImg2ImgPipeline } from "./stable-diffusion-xl-img2img.js";
import type { StableDiffusionXLInpaintPipeline } from "./stable-diffusion-xl-inpaint.js";

/** The parts that a caller may give, of all pipelines that may be chosen. */
export type AutoParts = PartsOf<typeof DiffusionPipeline> & {
  /** ControlNets: the pipeline is one of those with ControlNets. With null it is one without. */
  readonly controlnet?: ControlNetComponents["controlnet"] | null | undefined;
};

/** A pipeline, or with ControlNets a pipeline with ControlNets. */
type Chosen<Parts, Plain, Controlled> = Parts extends { readonly controlnet: object } ? Controlled : Plain;

/** A task: what its pictures start from, and its name in messages. */
interface Task {
  readonly className: string;
  readonly start: StartName;
  readonly what: string;
}

const TEXT: Task = { className: "AutoPipelineForText2Image", start: "noise", what: "text-to-image" };
const IMAGE: Task = { className: "AutoPipelineForImage2Image", start: "image", what: "image-to-image" };
const MASK: Task = { className: "AutoPipelineForInpainting", start: "mask", what: "inpainting" };

/** Chooses the text-to-image pipeline of a checkpoint by its class. Matches diffusers' AutoPipelineForText2Image. */
export class AutoPipelineForText2Image {
  private constructor() {}

  /**
   * Opens a checkpoint with its text-to-image pipeline, or with the one with ControlNets if `controlnet` is given. Everything else is as
   * with `DiffusionPipeline.fromPretrained`.
   * @throws ArgumentError if there is no such pipeline; the errors of `fromPretrained`
   */
  static fromPretrained<Parts extends AutoParts>(
    path: string | Folder,
    options?: PipelineOptions & Parts,
  ): Promise<
    Chosen<
      Parts,
      StableDiffusionPipeline | StableDiffusionXLPipeline,
      StableDiffusionControlNetPipeline | StableDiffusionXLControlNetPipeline
    >
  > {
    return opened(TEXT, path, options) as never;
  }

  /**
   * The text-to-image pipeline with the parts of another pipeline, as `fromPipe` of a pipeline's class makes it. ControlNets stay;
   * `controlnet` adds some, and null removes them.
   * @throws ArgumentError if there is no such pipeline; the errors of `fromPipe`
   */
  static fromPipe<Parts extends AutoParts>(
    pipe: DiffusionPipeline,
    overrides?: Parts,
  ): Promise<
    Chosen<
      Parts,
      StableDiffusionPipeline | StableDiffusionXLPipeline,
      StableDiffusionControlNetPipeline | StableDiffusionXLControlNetPipeline
    >
  > {
    return changed(TEXT, pipe, overrides) as never;
  }
}

/** Chooses the image-to-image pipeline of a checkpoint by its class. Matches diffusers' AutoPipelineForImage2Image. */
export class AutoPipelineForImage2Image {
  private constructor() {}

  /** As {@link AutoPipelineForText2Image.fromPretrained}, with the image-to-image pipeline. */
  static fromPretrained<Parts extends AutoParts>(
    path: string | Folder,
    options?: PipelineOptions & Parts,
  ): Promise<
    Chosen<
      Parts,
      StableDiffusionImg2ImgPipeline | StableDiffusionXLImg2ImgPipeline,
      StableDiffusionControlNetImg2ImgPipeline | StableDiffusionXLControlNetImg2ImgPipeline
    >
  > {
    return opened(IMAGE, path, options) as never;
  }

  /** As {@link AutoPipelineForText2Image.fromPipe}, with the image-to-image pipeline. */
  static fromPipe<Parts extends AutoParts>(
    pipe: DiffusionPipeline,
    overrides?: Parts,
  ): Promise<
    Chosen<
      Parts,
      StableDiffusionImg2ImgPipeline | StableDiffusionXLImg2ImgPipeline,
      StableDiffusionControlNetImg2ImgPipeline | StableDiffusionXLControlNetImg2ImgPipeline
    >
  > {
    return changed(IMAGE, pipe, overrides) as never;
  }
}

/** Chooses the inpainting pipeline of a checkpoint by its class. Matches diffusers' AutoPipelineForInpainting. */
export class AutoPipelineForInpainting {
  private constructor() {}

  /** As {@link AutoPipelineForText2Image.fromPretrained}, with the inpainting pipeline. */
  static fromPretrained<Parts extends AutoParts>(
    path: string | Folder,
    options?: PipelineOptions & Parts,
  ): Promise<
    Chosen<
      Parts,
      StableDiffusionInpaintPipeline | StableDiffusionXLInpaintPipeline,
      StableDiffusionControlNetInpaintPipeline | StableDiffusionXLControlNetInpaintPipeline
    >
  > {
    return opened(MASK, path, options) as never;
  }

  /** As {@link AutoPipelineForText2Image.fromPipe}, with the inpainting pipeline. */
  static fromPipe<Parts extends AutoParts>(
    pipe: DiffusionPipeline,
    overrides?: Parts,
  ): Promise<
    Chosen<
      Parts,
      StableDiffusionInpaintPipeline | StableDiffusionXLInpaintPipeline,
      StableDiffusionControlNetInpaintPipeline | StableDiffusionXLControlNetInpaintPipeline
    >
  > {
    return changed(MASK, pipe, overrides) as never;
  }
}

async function opened(task: Task, path: string | Folder, options: object = {}): Promise<DiffusionPipeline> {
  expectSource(path);
  const load = ({ className }: ModelIndex) => pipelineClass(classNameFor(task, className, options));
  return openPipeline({ className: task.className, load }, "fromPretrained", path, options);
}

async function changed(task: Task, pipe: DiffusionPipeline, overrides: object = {}): Promise<DiffusionPipeline> {
  const load = pipelineClass(classNameFor(task, pipe?.className ?? "", overrides));
  return pipelineFromPipe(await load(), pipe, overrides, `${task.className}.fromPipe`);
}

/** The class of a task's pipeline for checkpoints of the pipeline `className`. @throws ArgumentError if there is none. */
function classNameFor({ className: auto, start, what }: Task, className: string, parts: { readonly controlnet?: unknown }): string {
  const families = familiesByPipeline(className);
  const own = families.flatMap(({ workflows }) =>
    (Object.keys(workflows) as WorkflowName[]).filter((name) => workflows[name]?.className === className),
  )[0];
  const control = parts.controlnet === undefined ? controlOf(own) : parts.controlnet === null ? undefined : kindOfControl(parts.controlnet);
  const wanted: WorkflowName = control === undefined ? start : `${control}-${start}`;
  const found = families.flatMap(({ workflows }) => workflows[wanted]?.className ?? [])[0];
  if (found !== undefined && families.some(({ takesPrompt }) => takesPrompt)) return found;
  const nets = { controlnet: " with ControlNets", union: " with a ControlNet Union", adapter: " with T2I-Adapters" };
  throw new ArgumentError(
    `${auto}: there is no ${what} pipeline${control === undefined ? "" : nets[control]} for a ${className || "value that is no pipeline"}`,
    { hint: "DiffusionPipeline.fromPretrained opens a checkpoint with the pipeline that it names" },
  );
}

/** The networks that steer in a workflow. */
function controlOf(workflow: WorkflowName | undefined): ControlName | undefined {
  const [control, start] = workflow?.split("-") ?? [];
  return start === undefined ? undefined : (control as ControlName);
}

function kindOfControl(controlnet: unknown): ControlName {
  const [first] = [controlnet].flat() as readonly ({ readonly className?: string; readonly nets?: readonly object[] } | undefined)[];
  const { className } = (first?.nets?.[0] ?? first ?? {}) as { readonly className?: string };
  return className === "ControlNetUnionModel" ? "union" : "controlnet";
}
