import type { ControlNetModel } from "../../models/controlnet.js";
import type { StableDiffusionPipeline } from "../../pipelines/stable-diffusion.js";
import type { StableDiffusionControlNetComponents } from "../../pipelines/stable-diffusion-controlnet-base.js";
import type { OpenFiles } from "../open-files.js";
import { type Runner, runner } from "../runner.js";
import {
  controlledImageOptions,
  controlledMaskOptions,
  controlOptions,
  controlPictures,
  imageOptions,
  maskOptions,
  sizeOptions,
  textOptions,
} from "./job-options.js";
import { openControlNets } from "./open-controls.js";
import type { FamilyWorkflow, Job, Keep, OpenNetworks, PartOptions } from "./workflow.js";

/** Stable Diffusion 1.x and 2.x. */
export const STABLE_DIFFUSION: FamilyWorkflow = {
  async open({ model, controls }: OpenFiles, options: PartOptions, keep: Keep): Promise<OpenNetworks> {
    const { StableDiffusionPipeline } = await import("../../pipelines/stable-diffusion.js");
    const nets = await openControlNets(controls, options, keep);
    const pipe = keep(await StableDiffusionPipeline.fromPretrained(model, options));
    return { pipeline: pipe, adaptable: pipe, runner: (job) => runnerOf(job, pipe, nets) };
  },
};

/** A pipeline for the job, of the parts of the open one: it has its own scheduler, and shares the networks. */
async function runnerOf(job: Job, open: StableDiffusionPipeline, nets: readonly ControlNetModel[]): Promise<Runner> {
  const { start, controls, scheduler } = job;
  if (controls.length > 0) return controlled(job, { ...open, controlnet: nets });
  switch (start.kind) {
    case "noise": {
      const { StableDiffusionPipeline } = await import("../../pipelines/stable-diffusion.js");
      const pipe = Object.assign(new StableDiffusionPipeline({ ...open }), { scheduler });
      return runner(pipe, { ...textOptions(job), ...sizeOptions(job) });
    }
    case "image": {
      const { StableDiffusionImg2ImgPipeline } = await import("../../pipelines/stable-diffusion-img2img.js");
      const pipe = Object.assign(new StableDiffusionImg2ImgPipeline({ ...open }), { scheduler });
      return runner(pipe, { ...textOptions(job), ...imageOptions(start, job, pipe) });
    }
    case "mask": {
      const { StableDiffusionInpaintPipeline } = await import("../../pipelines/stable-diffusion-inpaint.js");
      const pipe = Object.assign(new StableDiffusionInpaintPipeline({ ...open }), { scheduler });
      return runner(pipe, { ...textOptions(job), ...maskOptions(start, job, pipe) });
    }
  }
}

/** {@link runnerOf} with ControlNets. */
async function controlled(job: Job, parts: StableDiffusionControlNetComponents): Promise<Runner> {
  const { start, scheduler } = job;
  const common = { ...textOptions(job), ...controlOptions(job) };
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
