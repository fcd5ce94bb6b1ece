import { runner } from "../runner.js";
import type { ImageStart } from "../start.js";
import { imageOptions, textOptions } from "./job-options.js";
import type { FamilyWorkflow } from "./workflow.js";

/** The x4 upscaler. Width and height are those of the small picture. */
export const X4_UPSCALER: FamilyWorkflow = {
  async open({ model }, options, keep) {
    const { StableDiffusionUpscalePipeline } = await import("../../pipelines/stable-diffusion-upscale.js");
    const open = keep(await StableDiffusionUpscalePipeline.fromPretrained(model, options));
    return {
      pipeline: open,
      adaptable: open,
      async runner(job) {
        const settings = { maxNoiseLevel: open.maxNoiseLevel };
        const pipe = Object.assign(new StableDiffusionUpscalePipeline({ ...open }, settings), { scheduler: job.scheduler });
        const { image } = imageOptions(job.start as ImageStart, job, pipe);
        return runner(pipe, { ...textOptions(job), image, noiseLevel: job.noiseLevel });
      },
    };
  },
};
