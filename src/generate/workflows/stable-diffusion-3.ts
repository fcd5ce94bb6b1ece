import type { StableDiffusion3Pipeline } from "../../pipelines/stable-diffusion-3.js";
import { type Runner, transformerRunner } from "../runner.js";
import { flowImageOptions, flowOptions, maskOptions, sizeOptions } from "./job-options.js";
import type { FamilyWorkflow, Job } from "./workflow.js";

/** Stable Diffusion 3 and 3.5. */
export const STABLE_DIFFUSION_3: FamilyWorkflow = {
  async open({ model }, options, keep) {
    const { StableDiffusion3Pipeline } = await import("../../pipelines/stable-diffusion-3.js");
    const pipe = keep(await StableDiffusion3Pipeline.fromPretrained(model, options));
    return { pipeline: pipe, adaptable: pipe, runner: (job) => runnerOf(job, pipe) };
  },
};

/** A pipeline for the job, of the parts of the open one: it has its own scheduler, and shares the networks. */
async function runnerOf(job: Job, open: StableDiffusion3Pipeline): Promise<Runner> {
  const { start, scheduler } = job;
  const { skipGuidanceLayers, skipLayerGuidanceScale, skipLayerGuidanceStart, skipLayerGuidanceStop, ...flow } = flowOptions(job);
  // Pipelines that start from a picture, as that of a second pass, have no such guidance.
  const skipping = { skipGuidanceLayers, skipLayerGuidanceScale, skipLayerGuidanceStart, skipLayerGuidanceStop };
  const options = { ...flow, ...(job.clipSkip !== undefined && { clipSkip: job.clipSkip }) };
  if (start.kind === "image") {
    const { StableDiffusion3Img2ImgPipeline } = await import("../../pipelines/stable-diffusion-3-img2img.js");
    return transformerRunner(new StableDiffusion3Img2ImgPipeline({ ...open, scheduler }), { ...options, ...flowImageOptions(start, job) });
  }
  if (start.kind === "mask") {
    const { StableDiffusion3InpaintPipeline } = await import("../../pipelines/stable-diffusion-3-inpaint.js");
    // Sides are multiples of a token.
    const tokens = { vaeScaleFactor: open.vaeScaleFactor * open.transformer.config.patchSize };
    return transformerRunner(new StableDiffusion3InpaintPipeline({ ...open, scheduler }), {
      ...options,
      ...maskOptions(start, job, tokens),
    });
  }
  const { StableDiffusion3Pipeline } = await import("../../pipelines/stable-diffusion-3.js");
  return transformerRunner(new StableDiffusion3Pipeline({ ...open, scheduler }), { ...options, ...skipping, ...sizeOptions(job) });
}
