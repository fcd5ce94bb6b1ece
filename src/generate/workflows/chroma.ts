import type { ChromaPipeline } from "../../pipelines/chroma.js";
import { type Runner, transformerRunner } from "../runner.js";
import { flowImageOptions, flowOptions, sizeOptions } from "./job-options.js";
import type { FamilyWorkflow, Job } from "./workflow.js";

/** Chroma. */
export const CHROMA: FamilyWorkflow = {
  async open({ model }, options, keep) {
    const { ChromaPipeline } = await import("../../pipelines/chroma.js");
    const pipe = keep(await ChromaPipeline.fromPretrained(model, options));
    return { pipeline: pipe, adaptable: pipe, runner: (job) => runnerOf(job, pipe) };
  },
};

/** A pipeline for the job, of the parts of the open one: it has its own scheduler, and shares the networks. */
async function runnerOf(job: Job, open: ChromaPipeline): Promise<Runner> {
  const { start, scheduler } = job;
  if (start.kind === "image") {
    const { ChromaImg2ImgPipeline } = await import("../../pipelines/chroma-img2img.js");
    return transformerRunner(new ChromaImg2ImgPipeline({ ...open, scheduler }), { ...flowOptions(job), ...flowImageOptions(start, job) });
  }
  const { ChromaPipeline } = await import("../../pipelines/chroma.js");
  return transformerRunner(new ChromaPipeline({ ...open, scheduler }), { ...flowOptions(job), ...sizeOptions(job) });
}
