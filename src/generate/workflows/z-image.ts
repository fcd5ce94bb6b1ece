import type { ZImagePipeline } from "../../pipelines/z-image.js";
import { type Runner, transformerRunner } from "../runner.js";
import { flowImageOptions, flowOptions, sizeOptions } from "./job-options.js";
import type { FamilyWorkflow, Job } from "./workflow.js";

/** Z-Image. */
export const Z_IMAGE: FamilyWorkflow = {
  async open({ model }, options, keep) {
    const { ZImagePipeline } = await import("../../pipelines/z-image.js");
    const pipe = keep(await ZImagePipeline.fromPretrained(model, options));
    return { pipeline: pipe, adaptable: pipe, runner: (job) => runnerOf(job, pipe) };
  },
};

/** A pipeline for the job, of the parts of the open one: it has its own scheduler, and shares the networks. */
async function runnerOf(job: Job, open: ZImagePipeline): Promise<Runner> {
  const { start, scheduler } = job;
  if (start.kind === "image") {
    const { ZImageImg2ImgPipeline } = await import("../../pipelines/z-image-img2img.js");
    return transformerRunner(new ZImageImg2ImgPipeline({ ...open, scheduler }), { ...flowOptions(job), ...flowImageOptions(start, job) });
  }
  const { ZImagePipeline } = await import("../../pipelines/z-image.js");
  return transformerRunner(new ZImagePipeline({ ...open, scheduler }), { ...flowOptions(job), ...sizeOptions(job) });
}
