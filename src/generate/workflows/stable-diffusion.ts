import type { Picture } from "../../image/picture.js";
import type { ControlNetModel } from "../../models/controlnet.js";
import type { StableDiffusionPipeline } from "../../pipelines/stable-diffusion.js";
import type { OpenFiles } from "../open-files.js";
import { type Runner, runner } from "../runner.js";
import { imageOptions, maskOptions, sizeOptions, textOptions } from "./job-options.js";
import type { FamilyWorkflow, Job, Keep, OpenNetworks, PartOptions } from "./workflow.js";

/** Stable Diffusion 1.x and 2.x. */
export const STABLE_DIFFUSION: FamilyWorkflow = {
  async open({ model, controls }: OpenFiles, options: PartOptions, keep: Keep): Promise<OpenNetworks> {
    const { StableDiffusionPipeline } = await import("../../pipelines/stable-diffusion.js");
    const nets = await openControls(controls, options, keep);
    const pipe = keep(await StableDiffusionPipeline.fromPretrained(model, options));
    return { pipeline: pipe, adaptable: pipe, runner: (job) => runnerOf(job, pipe, nets) };
  },
};

async function openControls(folders: OpenFiles["controls"], { vae, ...options }: PartOptions, keep: Keep): Promise<ControlNetModel[]> {
  const nets: ControlNetModel[] = [];
  if (folders.length === 0) return nets;
  const { ControlNetModel } = await import("../../models/controlnet.js");
  for (const folder of folders) nets.push(keep(await ControlNetModel.fromPretrained(folder, options)));
  return nets;
}

/** A pipeline for the job, of the parts of the open one: it has its own scheduler, and shares the networks. */
async function runnerOf(job: Job, open: StableDiffusionPipeline, controlnet: ControlNetModel[]): Promise<Runner> {
  const { start, scheduler } = job;
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
    case "control": {
      const { StableDiffusionControlNetPipeline } = await import("../../pipelines/stable-diffusion-controlnet.js");
      const pipe = Object.assign(new StableDiffusionControlNetPipeline({ ...open, controlnet }), { scheduler });
      const images = start.controls.map(({ image }) => image.picture);
      return runner(pipe, {
        ...textOptions(job),
        ...sizeOptions(job),
        image: images.length === 1 ? (images[0] as Picture) : images,
        controlnetConditioningScale: start.controls.map(({ scale }) => scale),
      });
    }
  }
}
