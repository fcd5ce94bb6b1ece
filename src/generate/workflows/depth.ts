import { runner } from "../runner.js";
import type { ImageStart } from "../start.js";
import { imageOptions, textOptions } from "./job-options.js";
import type { FamilyWorkflow } from "./workflow.js";

/** Stable Diffusion 2 that sees a depth map. */
export const STABLE_DIFFUSION_2_DEPTH: FamilyWorkflow = {
  async open({ model }, options, keep) {
    const { StableDiffusionDepth2ImgPipeline } = await import("../../pipelines/stable-diffusion-depth2img.js");
    const open = keep(await StableDiffusionDepth2ImgPipeline.fromPretrained(model, options));
    return {
      pipeline: open,
      adaptable: open,
      async runner(job) {
        const pipe = Object.assign(new StableDiffusionDepth2ImgPipeline({ ...open }), { scheduler: job.scheduler });
        // The family has no other start, and a request without depth is refused before.
        const start = job.start as ImageStart & { readonly depth: NonNullable<ImageStart["depth"]> };
        return runner(pipe, { ...textOptions(job), ...imageOptions(start, job, pipe), depthMap: start.depth.picture });
      },
    };
  },
};
