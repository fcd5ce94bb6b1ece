import { transformerRunner } from "../runner.js";
import { flowOptions, sizeOptions } from "./job-options.js";
import type { FamilyWorkflow } from "./workflow.js";

/** FLUX.2 klein, which sees pictures beside the noise. */
export const FLUX2_KLEIN: FamilyWorkflow = {
  async open({ model }, { vae: _, ...options }, keep) {
    const { Flux2KleinPipeline } = await import("../../pipelines/flux2-klein.js");
    const open = keep(await Flux2KleinPipeline.fromPretrained(model, options));
    return {
      pipeline: open,
      adaptable: open,
      async runner(job) {
        const pipe = new Flux2KleinPipeline({ ...open, scheduler: job.scheduler }, open.settings);
        const { negativePrompt: _, ...text } = flowOptions(job);
        const image = job.start.kind === "noise" ? {} : { image: job.start.image.picture };
        return transformerRunner(pipe, { ...text, ...sizeOptions(job), ...image });
      },
    };
  },
};
