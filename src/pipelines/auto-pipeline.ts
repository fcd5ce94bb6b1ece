import type { ModelIndex } from "../checkpoint/model-index.js";
import { expectSource } from "../checkpoint/source.js";
import { ArgumentError } from "../errors.js";
import type { ControlName, StartName, WorkflowName } from "../families/family.js";
import { familiesByPipeline } from "../families/lookups.js";
import { isPagClass, ordinaryClass, pagClass } from "../families/pag-classes.js";
import { isPlain } from "../given.js";
import { checkOptions } from "../options/check-options.js";
import { flag } from "../options/fields.js";
import type { Folder } from "../platform/folder.js";
import type { ControlNetUnionComponents } from "./adapters/controlnet-unions.js";
import type { ControlNetComponents } from "./adapters/controlnets.js";
import type { DiffusionPipeline } from "./diffusion-pipeline.js";
import { pipelineFromPipe } from "./from-pipe.js";
import type { LatentConsistencyModelPipeline } from "./latent-consistency-model.js";
import type { LatentConsistencyModelImg2ImgPipeline } from "./latent-consistency-model-img2img.js";
import { openPipeline, type PipelineOptions } from "./open-pipeline.js";
import { type PartsOf, pipelineClass } from "./pipeline-classes.js";
import type { PagOptions } from "./shared/pag-options.js";
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
import type { StableDiffusionXLControlNetUnionPipeline } from "./stable-diffusion-xl-controlnet-union.js";
import type { StableDiffusionXLControlNetUnionImg2ImgPipeline } from "./stable-diffusion-xl-controlnet-union-img2img.js";
import type { StableDiffusionXLControlNetUnionInpaintPipeline } from "./stable-diffusion-xl-controlnet-union-inpaint.js";
import type { StableDiffusionXLImg2ImgPipeline } from "./stable-diffusion-xl-img2img.js";
import type { StableDiffusionXLInpaintPipeline } from "./stable-diffusion-xl-inpaint.js";

/** The parts that a caller may give, of all pipelines that may be chosen. */
export type AutoParts = PartsOf<typeof DiffusionPipeline> & PagChoice & PagOptions;

/** Opens checkpoints, and changes pipelines, for one task. The classes are those without ControlNets, with them, and with Unions. */
export interface AutoPipeline<Plain, Controlled, United> {
  /**
   * Opens a checkpoint with the task's pipeline, which depends on the class in `model_index.json` (or the family of a single file) and on
   * `controlnet`: with ControlNets, it is the pipeline that takes them. Everything else is as with `DiffusionPipeline.fromPretrained`.
   * @throws ArgumentError if there is no such pipeline; the errors of `fromPretrained`
   */
  fromPretrained(path: string | Folder, options: PipelineOptions & AutoParts & Controlnet<UnionNets>): Promise<United>;
  /** Opens a checkpoint with the task's pipeline that takes ControlNets. */
  fromPretrained(path: string | Folder, options: PipelineOptions & AutoParts & Controlnet<Nets>): Promise<Controlled>;
  /** Opens a checkpoint with the task's pipeline. */
  fromPretrained(path: string | Folder, options?: PipelineOptions & AutoParts & NoControlnet): Promise<Plain>;
  /**
   * The task's pipeline with the parts of another pipeline, as `fromPipe` of a pipeline's class makes it. ControlNets stay; `controlnet`
   * puts others in their place, and null removes them.
   * @throws ArgumentError if there is no such pipeline; the errors of `fromPipe`
   */
  fromPipe(pipe: DiffusionPipeline, overrides: AutoParts & Controlnet<UnionNets>): Promise<United>;
  /** The task's pipeline that takes ControlNets, with the parts of another pipeline. */
  fromPipe(pipe: DiffusionPipeline, overrides: AutoParts & Controlnet<Nets>): Promise<Controlled>;
  /** The task's pipeline without ControlNets, with the parts of another pipeline. */
  fromPipe(pipe: DiffusionPipeline, overrides: AutoParts & Controlnet<null>): Promise<Plain>;
  /** The task's pipeline, with the parts of another pipeline that has Unions. */
  fromPipe(pipe: DiffusionPipeline & Controlnet<UnionNets>, overrides?: AutoParts): Promise<United>;
  /** The task's pipeline, with the parts of another pipeline that has ControlNets. */
  fromPipe(pipe: DiffusionPipeline & Controlnet<Nets>, overrides?: AutoParts): Promise<Controlled>;
  /** The task's pipeline, with the parts of another pipeline. */
  fromPipe(pipe: DiffusionPipeline, overrides?: AutoParts): Promise<Plain>;
}

type Nets = ControlNetComponents["controlnet"];
type UnionNets = ControlNetUnionComponents["controlnet"];

/** Chooses a pipeline with perturbed-attention guidance. */
export interface PagChoice {
  /**
   * true chooses diffusers' class with PAG in its name, such as StableDiffusionPAGPipeline; false the one without. By default what the
   * checkpoint or the other pipeline has.
   */
  readonly enablePag?: boolean | undefined;
}

/** The part by which a task's pipeline is chosen. */
export interface Controlnet<Given> {
  /** ControlNets or Unions; null removes those of another pipeline. */
  readonly controlnet: Given;
}

/** Chooses a pipeline without ControlNets. */
export interface NoControlnet {
  /** Left out or null: the pipeline has no ControlNets. */
  readonly controlnet?: null | undefined;
}

/** A task: what its pictures start from, and its name in messages. */
interface Task {
  readonly className: string;
  readonly start: StartName;
  readonly what: string;
}

export const TASKS: Readonly<Record<StartName, Task>> = {
  noise: { className: "AutoPipelineForText2Image", start: "noise", what: "text-to-image" },
  image: { className: "AutoPipelineForImage2Image", start: "image", what: "image-to-image" },
  mask: { className: "AutoPipelineForInpainting", start: "mask", what: "inpainting" },
};

/** Chooses the text-to-image pipeline of a checkpoint by its class. Matches diffusers' AutoPipelineForText2Image. */
export const AutoPipelineForText2Image: AutoPipeline<
  StableDiffusionPipeline | StableDiffusionXLPipeline | LatentConsistencyModelPipeline,
  StableDiffusionControlNetPipeline | StableDiffusionXLControlNetPipeline,
  StableDiffusionXLControlNetUnionPipeline
> = autoPipeline(TASKS.noise);

/** Chooses the image-to-image pipeline of a checkpoint by its class. Matches diffusers' AutoPipelineForImage2Image. */
export const AutoPipelineForImage2Image: AutoPipeline<
  StableDiffusionImg2ImgPipeline | StableDiffusionXLImg2ImgPipeline | LatentConsistencyModelImg2ImgPipeline,
  StableDiffusionControlNetImg2ImgPipeline | StableDiffusionXLControlNetImg2ImgPipeline,
  StableDiffusionXLControlNetUnionImg2ImgPipeline
> = autoPipeline(TASKS.image);

/** Chooses the inpainting pipeline of a checkpoint by its class. Matches diffusers' AutoPipelineForInpainting. */
export const AutoPipelineForInpainting: AutoPipeline<
  StableDiffusionInpaintPipeline | StableDiffusionXLInpaintPipeline,
  StableDiffusionControlNetInpaintPipeline | StableDiffusionXLControlNetInpaintPipeline,
  StableDiffusionXLControlNetUnionInpaintPipeline
> = autoPipeline(TASKS.mask);

function autoPipeline<Auto>(task: Task): Auto {
  return {
    fromPretrained: (path: string | Folder, options?: object) => opened(task, path, options),
    fromPipe: (pipe: DiffusionPipeline, overrides?: object) => changed(task, pipe, overrides),
  } as Auto;
}

async function opened(task: Task, path: string | Folder, given: object = {}): Promise<DiffusionPipeline> {
  expectSource(path);
  const { options, ...choice } = chosenBy(given, `${task.className}.fromPretrained`);
  const load = ({ className }: ModelIndex) => pipelineClass(classNameFor(task, className, choice));
  return openPipeline({ className: task.className, load }, "fromPretrained", path, options);
}

async function changed(task: Task, pipe: DiffusionPipeline, overrides: object = {}): Promise<DiffusionPipeline> {
  const { options, ...choice } = chosenBy(overrides, `${task.className}.fromPipe`);
  const load = pipelineClass(classNameFor(task, pipe?.className ?? "", choice));
  return pipelineFromPipe(await load(), pipe, options, `${task.className}.fromPipe`);
}

/** What a class is chosen by. */
interface Choice extends PagChoice {
  readonly controlnet?: unknown;
}

/** What the class is chosen by, and the options without what only chooses. */
function chosenBy(given: object, call: string): Choice & { readonly options: object } {
  if (!isPlain(given)) return { options: given };
  const { enablePag, ...options } = given as Choice;
  checkOptions<PagChoice>({ enablePag }, { enablePag: flag }, { call });
  return { enablePag, controlnet: options.controlnet, options };
}

/** The class of a task's pipeline for checkpoints of the pipeline `className`. @throws ArgumentError if there is none. */
export function classNameFor({ className: auto, start, what }: Task, pipeline: string, parts: Choice): string {
  const className = ordinaryClass(pipeline);
  const families = familiesByPipeline(className);
  const own = families.flatMap(({ workflows }) =>
    (Object.keys(workflows) as WorkflowName[]).filter((name) => workflows[name]?.className === className),
  )[0];
  const control = parts.controlnet === undefined ? controlOf(own) : parts.controlnet === null ? undefined : kindOfControl(parts.controlnet);
  const wanted: WorkflowName = control === undefined ? start : `${control}-${start}`;
  const found = own && families.flatMap(({ workflows }) => workflows[wanted]?.className ?? [])[0];
  const { enablePag = isPagClass(pipeline) } = parts;
  const chosen = enablePag && found !== undefined ? pagClass(found) : found;
  if (chosen !== undefined && families.some(({ takesPrompt }) => takesPrompt)) return chosen;
  if (found !== undefined && enablePag) {
    throw new ArgumentError(`${auto}: there is no pipeline with perturbed-attention guidance beside ${found}`, {
      argument: "enablePag",
      hint: "leave enablePag out, and give pagScale to generate",
    });
  }
  const nets = { controlnet: " with ControlNets", union: " with a ControlNet Union", adapter: " with T2I-Adapters" };
  throw new ArgumentError(
    `${auto}: there is no ${what} pipeline${control === undefined ? "" : nets[control]} for a ${pipeline || "value that is no pipeline"}`,
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
