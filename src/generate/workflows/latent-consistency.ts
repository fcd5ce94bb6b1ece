import type { LatentConsistencyModelPipeline } from "../../pipelines/latent-consistency-model.js";
import { type Runner, runner } from "../runner.js";
import { imageOptions, promptOptions, sizeOptions } from "./job-options.js";
import type { FamilyWorkflow, Job } from "./workflow.js";

/** Latent consistency models. */
export const LATENT_CONSISTENCY: FamilyWorkflow = {
  async open({ model }, options, keep) {
    const { LatentConsistencyModelPipeline } = await import("../../pipelines/latent-consistency-model.js");
    const pipe = keep(await LatentConsistencyModelPipeline.fromPretrained(model, options));
    return { pipeline: pipe, adaptable: pipe, imagePromptable: pipe, runner: (job) => runnerOf(job, pipe) };
  },
};

/** A pipeline for the job, of the parts of the open one: it has its own scheduler, and shares the networks. */
async function runnerOf(job: Job, open: LatentConsistencyModelPipeline): Promise<Runner> {
  const { start, scheduler } = job;
  const text = lcmOptions(job);
  if (start.kind === "image") {
    const { LatentConsistencyModelImg2ImgPipeline } = await import("../../pipelines/latent-consistency-model-img2img.js");
    const pipe = Object.assign(new LatentConsistencyModelImg2ImgPipeline({ ...open }), { scheduler });
    return runner(pipe, { ...text, ...imageOptions(start, job, pipe) });
  }
  const { LatentConsistencyModelPipeline } = await import("../../pipelines/latent-consistency-model.js");
  const pipe = Object.assign(new LatentConsistencyModelPipeline({ ...open }), { scheduler });
  return runner(pipe, { ...text, ...sizeOptions(job) });
}

/** Without the options that the model, which guides itself, does not have. They are refused, or off. */
function lcmOptions(job: Job) {
  const { negativePrompt: _, guidanceRescale: __, eta: ___, ...options } = promptOptions(job);
  return options;
}
