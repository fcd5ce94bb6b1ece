import type { Picture } from "../../image/picture.js";
import { transformerRunner } from "../runner.js";
import type { Start } from "../start.js";
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
        return transformerRunner(pipe, { ...text, ...sizeOptions(job), ...references(job.start) });
      },
    };
  },
};

/** The pictures to refer to. */
function references(start: Start): { readonly image?: readonly Picture[] } {
  if (start.kind !== "image") return {};
  return { image: [start.image, ...(start.others ?? [])].map(({ picture }) => picture) };
}
