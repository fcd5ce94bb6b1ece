import { runner } from "../runner.js";
import type { ImageStart } from "../start.js";
import { imageOptions, textOptions } from "./job-options.js";
import type { FamilyWorkflow } from "./workflow.js";

/** The x2 latent upscaler. Width and height are those of the small picture. */
export const LATENT_UPSCALER: FamilyWorkflow = {
  async open({ model }, options, keep) {
    const { StableDiffusionLatentUpscalePipeline } = await import("../../pipelines/stable-diffusion-latent-upscale.js");
    const open = keep(await StableDiffusionLatentUpscalePipeline.fromPretrained(model, options));
    return {
      pipeline: open,
      adaptable: open,
      async runner(job) {
        const pipe = new StableDiffusionLatentUpscalePipeline({ ...open, scheduler: job.scheduler });
        const { image } = imageOptions(job.start as ImageStart, job, pipe);
        // Options that it does not have are refused, or off.
        const { guidanceRescale: _, eta: __, ...text } = textOptions(job);
        return runner(pipe, { ...text, image });
      },
    };
  },
};
