import type { StableDiffusionXLPipeline } from "../../pipelines/stable-diffusion-xl.js";
import type { StableDiffusionXLImg2ImgPipeline } from "../../pipelines/stable-diffusion-xl-img2img.js";
import { type Runner, runner } from "../runner.js";
import { imageOptions, maskOptions, promptOptions, sizeOptions } from "./job-options.js";
import { type OpenControls, openControls } from "./open-controls.js";
import { refined } from "./refined.js";
import { controlled } from "./stable-diffusion-xl-control.js";
import type { FamilyWorkflow, Job } from "./workflow.js";

/** Stable Diffusion XL, alone or with a refiner. */
export const STABLE_DIFFUSION_XL: FamilyWorkflow = {
  async open(files, options, keep) {
    const { model, refiner: folder } = files;
    const { StableDiffusionXLPipeline } = await import("../../pipelines/stable-diffusion-xl.js");
    const nets = await openControls(files, options, keep);
    const pipe = keep(await StableDiffusionXLPipeline.fromPretrained(model, options));
    if (!folder) return { pipeline: pipe, adaptable: pipe, imagePromptable: pipe, runner: (job) => runnerOf(job, pipe, undefined, nets) };
    // A refiner shares the base's second text encoder, the tokenizer that feeds it, and the autoencoder.
    const { textEncoder2, tokenizer2, vae } = pipe;
    const { StableDiffusionXLImg2ImgPipeline } = await import("../../pipelines/stable-diffusion-xl-img2img.js");
    const refiner = keep(await StableDiffusionXLImg2ImgPipeline.fromPretrained(folder, { ...options, textEncoder2, tokenizer2, vae }));
    return { pipeline: pipe, adaptable: pipe, imagePromptable: pipe, runner: (job) => runnerOf(job, pipe, refiner, nets) };
  },
};

/** A pipeline for the job, of the parts of the open one: it has its own scheduler, and shares the networks. */
async function runnerOf(
  job: Job,
  open: StableDiffusionXLPipeline,
  refiner: StableDiffusionXLImg2ImgPipeline | undefined,
  nets: OpenControls | undefined,
): Promise<Runner> {
  const { start, controls, scheduler } = job;
  const { settings } = open;
  if (nets && controls.length > 0) return controlled(job, open, nets, refiner);
  switch (start.kind) {
    case "noise": {
      const { StableDiffusionXLPipeline } = await import("../../pipelines/stable-diffusion-xl.js");
      const pipe = Object.assign(new StableDiffusionXLPipeline({ ...open }, settings), { scheduler });
      return refined(pipe, { ...promptOptions(job), ...sizeOptions(job) }, job, refiner);
    }
    case "image": {
      const { StableDiffusionXLImg2ImgPipeline } = await import("../../pipelines/stable-diffusion-xl-img2img.js");
      const pipe = Object.assign(new StableDiffusionXLImg2ImgPipeline({ ...open }, settings), { scheduler });
      return refined(pipe, { ...promptOptions(job), ...imageOptions(start, job, pipe) }, job, refiner);
    }
    case "mask": {
      const { StableDiffusionXLInpaintPipeline } = await import("../../pipelines/stable-diffusion-xl-inpaint.js");
      const pipe = Object.assign(new StableDiffusionXLInpaintPipeline({ ...open }, settings), { scheduler });
      return runner(pipe, { ...promptOptions(job), ...maskOptions(start, job, pipe) });
    }
  }
}
