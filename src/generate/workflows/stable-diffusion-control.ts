import { ArgumentError } from "../../errors.js";
import type { StableDiffusionComponents } from "../../pipelines/stable-diffusion-base.js";
import type { StableDiffusionControlNetComponents } from "../../pipelines/stable-diffusion-controlnet-base.js";
import { CONTROL_NAMES } from "../families.js";
import { type Runner, runner } from "../runner.js";
import { adapterOptions, controlledImageOptions, controlledMaskOptions, controlOptions, controlPictures } from "./control-options.js";
import { promptOptions, sizeOptions } from "./job-options.js";
import type { OpenControls } from "./open-controls.js";
import type { Job } from "./workflow.js";

/** A pipeline of Stable Diffusion 1.x and 2.x for a job with networks that steer it. */
export async function controlled(job: Job, open: StableDiffusionComponents, controls: OpenControls): Promise<Runner> {
  switch (controls.kind) {
    case "controlnet":
      return withControlNets(job, { ...open, controlnet: controls.nets });
    case "adapter": {
      const { StableDiffusionAdapterPipeline } = await import("../../pipelines/stable-diffusion-adapter.js");
      const pipe = Object.assign(new StableDiffusionAdapterPipeline({ ...open, adapter: controls.nets }), { scheduler: job.scheduler });
      return runner(pipe, { ...promptOptions(job), ...adapterOptions(job), ...sizeOptions(job), image: controlPictures(job) });
    }
    case "union":
      throw new ArgumentError(`a ${CONTROL_NAMES.union} is for Stable Diffusion XL`, { argument: "controlnet" });
  }
}

async function withControlNets(job: Job, parts: StableDiffusionControlNetComponents): Promise<Runner> {
  const { start, scheduler } = job;
  const common = { ...promptOptions(job), ...controlOptions(job) };
  switch (start.kind) {
    case "noise": {
      const { StableDiffusionControlNetPipeline } = await import("../../pipelines/stable-diffusion-controlnet.js");
      const pipe = Object.assign(new StableDiffusionControlNetPipeline(parts), { scheduler });
      return runner(pipe, { ...common, ...sizeOptions(job), image: controlPictures(job) });
    }
    case "image": {
      const { StableDiffusionControlNetImg2ImgPipeline } = await import("../../pipelines/stable-diffusion-controlnet-img2img.js");
      const pipe = Object.assign(new StableDiffusionControlNetImg2ImgPipeline(parts), { scheduler });
      return runner(pipe, { ...common, ...controlledImageOptions(start, job, pipe) });
    }
    case "mask": {
      const { StableDiffusionControlNetInpaintPipeline } = await import("../../pipelines/stable-diffusion-controlnet-inpaint.js");
      const pipe = Object.assign(new StableDiffusionControlNetInpaintPipeline(parts), { scheduler });
      return runner(pipe, { ...common, ...controlledMaskOptions(start, job, pipe) });
    }
  }
}
