import type { StableDiffusionXLPipeline } from "../../pipelines/stable-diffusion-xl.js";
import type { StableDiffusionXLSettings } from "../../pipelines/stable-diffusion-xl-base.js";
import type { StableDiffusionXLControlNetComponents } from "../../pipelines/stable-diffusion-xl-controlnet-base.js";
import type { StableDiffusionXLControlNetUnionComponents } from "../../pipelines/stable-diffusion-xl-controlnet-union-base.js";
import type { StableDiffusionXLImg2ImgPipeline } from "../../pipelines/stable-diffusion-xl-img2img.js";
import { type Runner, runner } from "../runner.js";
import {
  adapterOptions,
  controlledImageOptions,
  controlledMaskOptions,
  controlOptions,
  controlPictures,
  unionOptions,
} from "./control-options.js";
import { promptOptions, sizeOptions } from "./job-options.js";
import type { OpenControls } from "./open-controls.js";
import { refined } from "./refined.js";
import type { Job } from "./workflow.js";

type Refiner = StableDiffusionXLImg2ImgPipeline | undefined;

/** A pipeline of XL for a job with networks that steer it. */
export async function controlled(job: Job, open: StableDiffusionXLPipeline, controls: OpenControls, refiner: Refiner): Promise<Runner> {
  const { settings } = open;
  switch (controls.kind) {
    case "controlnet":
      return withControlNets(job, { ...open, controlnet: controls.nets }, settings, refiner);
    case "union":
      return withUnions(job, { ...open, controlnet: controls.nets }, settings, refiner);
    case "adapter": {
      const { StableDiffusionXLAdapterPipeline } = await import("../../pipelines/stable-diffusion-xl-adapter.js");
      const pipe = Object.assign(new StableDiffusionXLAdapterPipeline({ ...open, adapter: controls.nets }, settings), {
        scheduler: job.scheduler,
      });
      const adapterConditioningFactor = job.controls[0]?.end;
      const options = { ...promptOptions(job), ...adapterOptions(job), adapterConditioningFactor, ...sizeOptions(job) };
      return refined(pipe, { ...options, image: controlPictures(job) }, job, refiner);
    }
  }
}

async function withControlNets(
  job: Job,
  parts: StableDiffusionXLControlNetComponents,
  settings: StableDiffusionXLSettings,
  refiner: Refiner,
): Promise<Runner> {
  const { start, scheduler } = job;
  const common = { ...promptOptions(job), ...controlOptions(job) };
  switch (start.kind) {
    case "noise": {
      const { StableDiffusionXLControlNetPipeline } = await import("../../pipelines/stable-diffusion-xl-controlnet.js");
      const pipe = Object.assign(new StableDiffusionXLControlNetPipeline(parts, settings), { scheduler });
      return refined(pipe, { ...common, ...sizeOptions(job), image: controlPictures(job) }, job, refiner);
    }
    case "image": {
      const { StableDiffusionXLControlNetImg2ImgPipeline } = await import("../../pipelines/stable-diffusion-xl-controlnet-img2img.js");
      const pipe = Object.assign(new StableDiffusionXLControlNetImg2ImgPipeline(parts, settings), { scheduler });
      return runner(pipe, { ...common, ...controlledImageOptions(start, job, pipe) });
    }
    case "mask": {
      const { StableDiffusionXLControlNetInpaintPipeline } = await import("../../pipelines/stable-diffusion-xl-controlnet-inpaint.js");
      const pipe = Object.assign(new StableDiffusionXLControlNetInpaintPipeline(parts, settings), { scheduler });
      return runner(pipe, { ...common, ...controlledMaskOptions(start, job, pipe) });
    }
  }
}

async function withUnions(
  job: Job,
  parts: StableDiffusionXLControlNetUnionComponents,
  settings: StableDiffusionXLSettings,
  refiner: Refiner,
): Promise<Runner> {
  const { start, scheduler } = job;
  const common = { ...promptOptions(job), ...unionOptions(job) };
  switch (start.kind) {
    case "noise": {
      const { StableDiffusionXLControlNetUnionPipeline } = await import("../../pipelines/stable-diffusion-xl-controlnet-union.js");
      const pipe = Object.assign(new StableDiffusionXLControlNetUnionPipeline(parts, settings), { scheduler });
      return refined(pipe, { ...common, ...sizeOptions(job), controlImage: controlPictures(job) }, job, refiner);
    }
    case "image": {
      const { StableDiffusionXLControlNetUnionImg2ImgPipeline } = await import(
        "../../pipelines/stable-diffusion-xl-controlnet-union-img2img.js"
      );
      const pipe = Object.assign(new StableDiffusionXLControlNetUnionImg2ImgPipeline(parts, settings), { scheduler });
      return runner(pipe, { ...common, ...controlledImageOptions(start, job, pipe) });
    }
    case "mask": {
      const { StableDiffusionXLControlNetUnionInpaintPipeline } = await import(
        "../../pipelines/stable-diffusion-xl-controlnet-union-inpaint.js"
      );
      const pipe = Object.assign(new StableDiffusionXLControlNetUnionInpaintPipeline(parts, settings), { scheduler });
      return runner(pipe, { ...common, ...controlledMaskOptions(start, job, pipe) });
    }
  }
}
