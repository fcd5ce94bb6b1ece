import { ArgumentError } from "../../errors.js";
import { CONTROL_FAMILY_NAMES } from "../../families/lookups.js";
import type { StableDiffusionXLPipeline } from "../../pipelines/stable-diffusion-xl.js";
import type { StableDiffusionXLBase, StableDiffusionXLCommonRequest } from "../../pipelines/stable-diffusion-xl-base.js";
import type { StableDiffusionXLImg2ImgPipeline } from "../../pipelines/stable-diffusion-xl-img2img.js";
import { ensembleRunner, type Runner, runner } from "../runner.js";
import { imageOptions, maskOptions, sizeOptions, textOptions } from "./job-options.js";
import type { FamilyWorkflow, Job } from "./workflow.js";

/** Stable Diffusion XL, alone or with a refiner. */
export const STABLE_DIFFUSION_XL: FamilyWorkflow = {
  async open({ model, refiner: folder }, options, keep) {
    const { StableDiffusionXLPipeline } = await import("../../pipelines/stable-diffusion-xl.js");
    const pipe = keep(await StableDiffusionXLPipeline.fromPretrained(model, options));
    if (!folder) return { pipeline: pipe, adaptable: pipe, runner: (job) => runnerOf(job, pipe, undefined) };
    // A refiner shares the base's second text encoder, the tokenizer that feeds it, and the autoencoder.
    const { textEncoder2, tokenizer2, vae } = pipe;
    const { StableDiffusionXLImg2ImgPipeline } = await import("../../pipelines/stable-diffusion-xl-img2img.js");
    const refiner = keep(await StableDiffusionXLImg2ImgPipeline.fromPretrained(folder, { ...options, textEncoder2, tokenizer2, vae }));
    return { pipeline: pipe, adaptable: pipe, runner: (job) => runnerOf(job, pipe, refiner) };
  },
};

/** A pipeline for the job, of the parts of the open one: it has its own scheduler, and shares the networks. */
async function runnerOf(job: Job, open: StableDiffusionXLPipeline, refiner: StableDiffusionXLImg2ImgPipeline | undefined): Promise<Runner> {
  const { start, scheduler } = job;
  const { settings } = open;
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
    case "control":
      throw new ArgumentError(`ControlNets are for ${CONTROL_FAMILY_NAMES}`, { argument: "controlnet" });
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
