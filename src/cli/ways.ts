import { readConfig } from "../checkpoint/config.js";
import { ConfigError } from "../errors.js";
import type { Picture } from "../image/picture.js";
import { resize } from "../image/resize.js";
import type { Autoencoder } from "../models/autoencoder.js";
import type { LatentDiffusionPipeline } from "../pipelines/latent-diffusion.js";
import type { PromptSyntax } from "../pipelines/prompt/prompt-options.js";
import { expectSize } from "../pipelines/shared/arguments.js";
import type { StableDiffusionXLBase, StableDiffusionXLCommonRequest } from "../pipelines/stable-diffusion-xl-base.js";
import type { Folder } from "../platform/folder.js";
import type { DeviceOptions } from "../runtime/engine.js";
import type { Job } from "./job.js";
import { ensemble, type Painter, painter, unconditionalPainter } from "./painter.js";
import type { ControlStart, ImageStart, MaskStart, NoiseStart, ReadStart } from "./start.js";
import type { Size } from "./values.js";

/** What a way of working leaves to diffusers' defaults, which differ from pipeline to pipeline. */
export interface Defaults {
  readonly steps: number;
  /** Undefined where there is nothing to be guided by, as `strength` is where there is no picture. */
  readonly guidance?: number;
  readonly strength?: number;
}

/** Takes note of a part to be freed at the end. */
export type Keep = <Part extends AsyncDisposable>(part: Part) => Part;

/** How a checkpoint's parts are opened. */
export interface PartOptions extends DeviceOptions {
  readonly variant: string | undefined;
  /** In place of the checkpoint's own. */
  readonly vae?: Autoencoder;
}

/** One way of working with one family of checkpoints. */
export interface Way<Beginning extends ReadStart = ReadStart> {
  readonly defaults: Defaults;
  /** Opens what the job needs, giving each part to `keep`. @throws CheckpointError, ConfigError, DeviceError, ArgumentError */
  open(job: Job<Beginning>, parts: PartOptions, keep: Keep): Promise<Painter>;
}

/** The ways a family of checkpoints can be worked with, by what they start from. */
export interface Ways {
  readonly noise: Way<NoiseStart>;
  readonly image?: Way<ImageStart<Picture>>;
  readonly mask?: Way<MaskStart<Picture>>;
  readonly control?: Way<ControlStart<Picture>>;
}

// Pipelines are imported when asked for, so that a run pays for the one it uses.

/** Stable Diffusion 1.x and 2.x. */
export const STABLE_DIFFUSION: Ways = {
  noise: {
    defaults: { steps: 50, guidance: 7.5 },
    async open(job, parts, keep) {
      const { StableDiffusionPipeline } = await import("../pipelines/stable-diffusion.js");
      const pipe = keep(await StableDiffusionPipeline.fromPretrained(job.checkpoints.model, parts));
      return painter(pipe, { ...textOf(job), ...job.size });
    },
  },
  image: {
    defaults: { steps: 50, guidance: 7.5, strength: 0.8 },
    async open(job, parts, keep) {
      const { StableDiffusionImg2ImgPipeline } = await import("../pipelines/stable-diffusion-img2img.js");
      const pipe = keep(await StableDiffusionImg2ImgPipeline.fromPretrained(job.checkpoints.model, parts));
      return painter(pipe, { ...textOf(job), ...imageOf(job, pipe) });
    },
  },
  mask: {
    defaults: { steps: 50, guidance: 7.5, strength: 1 },
    async open(job, parts, keep) {
      const { StableDiffusionInpaintPipeline } = await import("../pipelines/stable-diffusion-inpaint.js");
      const pipe = keep(await StableDiffusionInpaintPipeline.fromPretrained(job.checkpoints.model, parts));
      return painter(pipe, { ...textOf(job), ...inpaintingOf(job, pipe) });
    },
  },
  control: {
    defaults: { steps: 50, guidance: 7.5 },
    async open(job, parts, keep) {
      const { controls } = job.start;
      const { ControlNetModel } = await import("../models/controlnet.js");
      const { StableDiffusionControlNetPipeline } = await import("../pipelines/stable-diffusion-controlnet.js");
      const { vae, ...options } = parts;
      const controlnet = [];
      for (const folder of job.checkpoints.controls) controlnet.push(keep(await ControlNetModel.fromPretrained(folder, options)));
      const pipe = keep(await StableDiffusionControlNetPipeline.fromPretrained(job.checkpoints.model, { ...parts, controlnet }));
      const images = controls.map(({ image }) => image);
      return painter(pipe, {
        ...textOf(job),
        ...job.size,
        image: images.length === 1 ? (images[0] as Picture) : images,
        controlnetConditioningScale: controls.map(({ scale }) => scale),
      });
    },
  },
};

/** Stable Diffusion XL, alone or with a refiner. */
export const STABLE_DIFFUSION_XL: Ways = {
  noise: {
    defaults: { steps: 50, guidance: 5 },
    async open(job, parts, keep) {
      const { StableDiffusionXLPipeline } = await import("../pipelines/stable-diffusion-xl.js");
      const pipe = keep(await StableDiffusionXLPipeline.fromPretrained(job.checkpoints.model, parts));
      return refined(pipe, { ...textOf(job), ...job.size }, job, parts, keep);
    },
  },
  image: {
    defaults: { steps: 50, guidance: 5, strength: 0.3 },
    async open(job, parts, keep) {
      const { StableDiffusionXLImg2ImgPipeline } = await import("../pipelines/stable-diffusion-xl-img2img.js");
      const pipe = keep(await StableDiffusionXLImg2ImgPipeline.fromPretrained(job.checkpoints.model, parts));
      return refined(pipe, { ...textOf(job), ...imageOf(job, pipe) }, job, parts, keep);
    },
  },
  mask: {
    defaults: { steps: 50, guidance: 7.5, strength: 0.9999 },
    async open(job, parts, keep) {
      const { StableDiffusionXLInpaintPipeline } = await import("../pipelines/stable-diffusion-xl-inpaint.js");
      const pipe = keep(await StableDiffusionXLInpaintPipeline.fromPretrained(job.checkpoints.model, parts));
      return painter(pipe, { ...textOf(job), ...inpaintingOf(job, pipe) });
    },
  },
};

/** Pictures without a prompt, as many steps as the checkpoint was trained with. */
export const DDPM: Ways = {
  noise: {
    defaults: { steps: 1000 },
    async open(job, { vae, ...options }, keep) {
      const { DDPMPipeline } = await import("../pipelines/ddpm.js");
      return unconditionalPainter(keep(await DDPMPipeline.fromPretrained(job.checkpoints.model, options)), job.steps);
    },
  },
};

/** Pictures without a prompt, in few steps. */
export const DDIM: Ways = {
  noise: {
    defaults: { steps: 50 },
    async open(job, { vae, ...options }, keep) {
      const { DDIMPipeline } = await import("../pipelines/ddim.js");
      return unconditionalPainter(keep(await DDIMPipeline.fromPretrained(job.checkpoints.model, options)), job.steps);
    },
  },
};

/** The autoencoder in `folder`, of the class its `config.json` names. @throws CheckpointError, ConfigError, DeviceError */
export async function openVae(folder: Folder, options: Omit<PartOptions, "vae">): Promise<Autoencoder> {
  const { _className: className } = await readConfig(folder, "config.json");
  const { AUTOENCODERS } = await import("../pipelines/shared/components.js");
  if (typeof className === "string" && Object.hasOwn(AUTOENCODERS, className)) {
    return AUTOENCODERS[className as keyof typeof AUTOENCODERS].fromPretrained(folder, options);
  }
  throw new ConfigError(
    `${folder.name}/config.json is of class ${className}; expected ${Object.keys(AUTOENCODERS).join(" or ")} for --vae`,
  );
}

/** `base` alone, or with the job's refiner, which shares its second text encoder, the tokenizer that feeds this, and its autoencoder. */
async function refined<Request extends StableDiffusionXLCommonRequest & { readonly denoisingEnd?: number }>(
  base: StableDiffusionXLBase<Request>,
  request: Request,
  job: Job,
  options: PartOptions,
  keep: Keep,
): Promise<Painter> {
  const { refiner: folder } = job.checkpoints;
  if (!job.refiner || !folder) return painter(base, request);
  const { from } = job.refiner;
  const { textEncoder2, tokenizer2, vae } = base;
  const { StableDiffusionXLImg2ImgPipeline } = await import("../pipelines/stable-diffusion-xl-img2img.js");
  const refiner = keep(await StableDiffusionXLImg2ImgPipeline.fromPretrained(folder, { ...options, textEncoder2, tokenizer2, vae }));
  const { strength = 1 } = job;
  return ensemble(base, refiner, { request, text: textOf(job), from, share: (strength - (1 - from)) / strength });
}

/** The prompts, and how to follow them; the same for a base and its refiner. */
function textOf({ prompt = "", negativePrompt, weighted, steps, guidance, guidanceRescale, clipSkip, cache }: Job) {
  const promptSyntax: PromptSyntax = weighted ? "a1111" : "plain";
  return {
    ...{ prompt, negativePrompt, promptSyntax, numInferenceSteps: steps, guidanceScale: guidance, guidanceRescale, clipSkip },
    ...(cache !== undefined && { cache: { interval: cache } }),
  };
}

/** The result is as large as the picture, so where another size is asked for the picture is brought to it. */
function imageOf(
  { start: { image }, size, strength }: Job<ImageStart<Picture>>,
  { vaeScaleFactor }: Pick<LatentDiffusionPipeline<never>, "vaeScaleFactor">,
) {
  if (!size) return { image, strength };
  expectSize(size.width, size.height, vaeScaleFactor);
  // As diffusers' VaeImageProcessor resizes.
  return { image: resize(image, size.width, size.height, { resampling: "lanczos" }), strength };
}

/** The picture's own size unless another is asked for; around a mask, the size the checkpoint draws best. */
function inpaintingOf(
  { start, size, strength }: Job<MaskStart<Picture>>,
  { vaeScaleFactor }: Pick<LatentDiffusionPipeline<never>, "vaeScaleFactor">,
) {
  const { image, mask, padding } = start;
  const own = padding === undefined ? floorSize(image, vaeScaleFactor) : undefined;
  return { image, maskImage: mask, paddingMaskCrop: padding, strength, ...(size ?? own) };
}

function floorSize({ width, height }: Size, factor: number): Size {
  const floor = (side: number) => Math.max(Math.floor(side / factor), 1) * factor;
  return { width: floor(width), height: floor(height) };
}
