import type { StableDiffusionPipeline } from "../../pipelines/stable-diffusion.js";
import type { OpenFiles } from "../open-files.js";
import { type Runner, runner } from "../runner.js";
import { imageOptions, maskOptions, promptOptions, sizeOptions } from "./job-options.js";
import { type OpenControls, openControls } from "./open-controls.js";
import { controlled } from "./stable-diffusion-control.js";
import type { FamilyWorkflow, Job, Keep, OpenNetworks, PartOptions } from "./workflow.js";

/** Stable Diffusion 1.x and 2.x. */
export const STABLE_DIFFUSION: FamilyWorkflow = {
  async open(files: OpenFiles, options: PartOptions, keep: Keep): Promise<OpenNetworks> {
    const { StableDiffusionPipeline } = await import("../../pipelines/stable-diffusion.js");
    const nets = await openControls(files, options, keep);
    const pipe = keep(await StableDiffusionPipeline.fromPretrained(files.model, options));
    return { pipeline: pipe, adaptable: pipe, imagePromptable: pipe, runner: (job) => runnerOf(job, pipe, nets) };
  },
};

/** A pipeline for the job, of the parts of the open one: it has its own scheduler, and shares the networks. */
async function runnerOf(job: Job, open: StableDiffusionPipeline, nets: OpenControls | undefined): Promise<Runner> {
  const { start, controls, scheduler } = job;
  if (nets && controls.length > 0) return controlled(job, open, nets);
  switch (start.kind) {
    case "noise": {
      const { StableDiffusionPipeline } = await import("../../pipelines/stable-diffusion.js");
      const pipe = Object.assign(new StableDiffusionPipeline({ ...open }), { scheduler });
      return runner(pipe, { ...promptOptions(job), ...sizeOptions(job) });
    }
    case "image": {
      const { StableDiffusionImg2ImgPipeline } = await import("../../pipelines/stable-diffusion-img2img.js");
      const pipe = Object.assign(new StableDiffusionImg2ImgPipeline({ ...open }), { scheduler });
      return runner(pipe, { ...promptOptions(job), ...imageOptions(start, job, pipe) });
    }
    case "mask": {
      const { StableDiffusionInpaintPipeline } = await import("../../pipelines/stable-diffusion-inpaint.js");
      const pipe = Object.assign(new StableDiffusionInpaintPipeline({ ...open }), { scheduler });
      return runner(pipe, { ...promptOptions(job), ...maskOptions(start, job, pipe) });
    }
  }
}
