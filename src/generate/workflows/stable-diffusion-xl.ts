import type { ControlNetModel } from "../../models/controlnet.js";
import type { StableDiffusionXLPipeline } from "../../pipelines/stable-diffusion-xl.js";
import type {
  StableDiffusionXLBase,
  StableDiffusionXLCommonRequest,
  StableDiffusionXLSettings,
} from "../../pipelines/stable-diffusion-xl-base.js";
import type { StableDiffusionXLControlNetComponents } from "../../pipelines/stable-diffusion-xl-controlnet-base.js";
import type { StableDiffusionXLImg2ImgPipeline } from "../../pipelines/stable-diffusion-xl-img2img.js";
import { ensembleRunner, type Runner, runner } from "../runner.js";
import {
  controlledImageOptions,
  controlledMaskOptions,
  controlOptions,
  controlPictures,
  imageOptions,
  maskOptions,
  sizeOptions,
  textOptions,
} from "./job-options.js";
import { openControlNets } from "./open-controls.js";
import type { FamilyWorkflow, Job } from "./workflow.js";

/** Stable Diffusion XL, alone or with a refiner. */
export const STABLE_DIFFUSION_XL: FamilyWorkflow = {
  async open({ model, refiner: folder, controls }, options, keep) {
    const { StableDiffusionXLPipeline } = await import("../../pipelines/stable-diffusion-xl.js");
    const nets = await openControlNets(controls, options, keep);
    const pipe = keep(await StableDiffusionXLPipeline.fromPretrained(model, options));
    if (!folder) return { pipeline: pipe, adaptable: pipe, runner: (job) => runnerOf(job, pipe, undefined, nets) };
    // A refiner shares the base's second text encoder, the tokenizer that feeds it, and the autoencoder.
    const { textEncoder2, tokenizer2, vae } = pipe;
    const { StableDiffusionXLImg2ImgPipeline } = await import("../../pipelines/stable-diffusion-xl-img2img.js");
    const refiner = keep(await StableDiffusionXLImg2ImgPipeline.fromPretrained(folder, { ...options, textEncoder2, tokenizer2, vae }));
    return { pipeline: pipe, adaptable: pipe, runner: (job) => runnerOf(job, pipe, refiner, nets) };
  },
};

/** A pipeline for the job, of the parts of the open one: it has its own scheduler, and shares the networks. */
async function runnerOf(
  job: Job,
  open: StableDiffusionXLPipeline,
  refiner: StableDiffusionXLImg2ImgPipeline | undefined,
  nets: readonly ControlNetModel[],
): Promise<Runner> {
  const { start, controls, scheduler } = job;
  const { settings } = open;
  if (controls.length > 0) return controlled(job, { ...open, controlnet: nets }, settings, refiner);
  switch (start.kind) {
    case "noise": {
      const { StableDiffusionXLPipeline } = await import("../../pipelines/stable-diffusion-xl.js");
      const pipe = Object.assign(new StableDiffusionXLPipeline({ ...open }, settings), { scheduler });
      return refined(pipe, { ...textOptions(job), ...sizeOptions(job) }, job, refiner);
    }
    case "image": {
      const { StableDiffusionXLImg2ImgPipeline } = await import("../../pipelines/stable-diffusion-xl-img2img.js");
      const pipe = Object.assign(new StableDiffusionXLImg2ImgPipeline({ ...open }, settings), { scheduler });
      return refined(pipe, { ...textOptions(job), ...imageOptions(start, job, pipe) }, job, refiner);
    }
    case "mask": {
      const { StableDiffusionXLInpaintPipeline } = await import("../../pipelines/stable-diffusion-xl-inpaint.js");
      const pipe = Object.assign(new StableDiffusionXLInpaintPipeline({ ...open }, settings), { scheduler });
      return runner(pipe, { ...textOptions(job), ...maskOptions(start, job, pipe) });
    }
  }
}

/** {@link runnerOf} with ControlNets. */
async function controlled(
  job: Job,
  parts: StableDiffusionXLControlNetComponents,
  settings: StableDiffusionXLSettings,
  refiner: StableDiffusionXLImg2ImgPipeline | undefined,
): Promise<Runner> {
  const { start, scheduler } = job;
  const common = { ...textOptions(job), ...controlOptions(job) };
  switch (start.kind) {
    case "noise": {
      const { StableDiffusionXLControlNetPipeline } = await import("../../pipelines/stable-diffusion-xl-controlnet.js");
      const pipe = Object.assign(new StableDiffusionXLControlNetPipeline(parts, settings), { scheduler });
      return refined(pipe, { ...common, ...sizeOptions(job), image: controlPictures(job) }, job, refiner);
    }
    case "image": {
      const { StableDiffusionXLControlNetImg2ImgPipeline } = await import("../../pipelines/stable-diffusion-xl-controlnet-img2img.js");
      const pipe = Object.assign(new StableDiffusionXLControlNetImg2ImgPipeline(parts, settings), { scheduler });
      return runner(pipe, { ...common, ...controlledImageOptions(start, job, pipe) });
    }
    case "mask": {
      const { StableDiffusionXLControlNetInpaintPipeline } = await import("../../pipelines/stable-diffusion-xl-controlnet-inpaint.js");
      const pipe = Object.assign(new StableDiffusionXLControlNetInpaintPipeline(parts, settings), { scheduler });
      return runner(pipe, { ...common, ...controlledMaskOptions(start, job, pipe) });
    }
  }
}

async function refined<Request extends StableDiffusionXLCommonRequest & { readonly denoisingEnd?: number }>(
  base: StableDiffusionXLBase<Request>,
  request: Request,
  job: Job,
  open: StableDiffusionXLImg2ImgPipeline | undefined,
): Promise<Runner> {
  const { denoisingEnd, strength = 1 } = job;
  if (!open || denoisingEnd === undefined) return runner(base, request);
  const { StableDiffusionXLImg2ImgPipeline } = await import("../../pipelines/stable-diffusion-xl-img2img.js");
  const scheduler = job.schedulerFrom(open.scheduler);
  const refiner = Object.assign(new StableDiffusionXLImg2ImgPipeline({ ...open }, open.settings), { scheduler });
  return ensembleRunner(base, refiner, {
    request,
    text: textOptions(job),
    denoisingEnd,
    share: (strength - (1 - denoisingEnd)) / strength,
  });
}
