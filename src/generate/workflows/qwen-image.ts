import type { QwenImagePipeline } from "../../pipelines/qwen-image.js";
import type { QwenImageEditPlusRequest } from "../../pipelines/qwen-image-edit-plus.js";
import { type Runner, transformerRunner } from "../runner.js";
import type { ImageStart } from "../start.js";
import { flowImageOptions, flowOptions, sizeOptions } from "./job-options.js";
import type { FamilyWorkflow, Job } from "./workflow.js";

/** Qwen-Image. */
export const QWEN_IMAGE: FamilyWorkflow = {
  async open({ model }, options, keep) {
    const { QwenImagePipeline } = await import("../../pipelines/qwen-image.js");
    const pipe = keep(await QwenImagePipeline.fromPretrained(model, options));
    return { pipeline: pipe, adaptable: pipe, runner: (job) => runnerOf(job, pipe) };
  },
};

/** Qwen-Image-Edit. The family has no other start than a picture. */
export const QWEN_IMAGE_EDIT: FamilyWorkflow = {
  async open({ model }, options, keep) {
    const { QwenImageEditPlusPipeline } = await import("../../pipelines/qwen-image-edit-plus.js");
    const open = keep(await QwenImageEditPlusPipeline.fromPretrained(model, options));
    return {
      pipeline: open,
      adaptable: open,
      async runner(job): Promise<Runner> {
        const pipe = new QwenImageEditPlusPipeline({ ...open, scheduler: job.scheduler });
        const { image: first, others = [] } = job.start as ImageStart;
        const image = [first, ...others].map(({ picture }) => picture);
        return transformerRunner<QwenImageEditPlusRequest>(pipe, {
          ...guidanceOptions(job),
          image,
          ...sizeOptions(job),
        });
      },
    };
  },
};

/** A pipeline for the job, of the parts of the open one: it has its own scheduler, and shares the networks. */
async function runnerOf(job: Job, open: QwenImagePipeline): Promise<Runner> {
  const { start, scheduler } = job;
  if (start.kind === "image") {
    const { QwenImageImg2ImgPipeline } = await import("../../pipelines/qwen-image-img2img.js");
    const pipe = new QwenImageImg2ImgPipeline({ ...open, scheduler });
    const { picture } = start.image;
    const { width = picture?.width, height = picture?.height, ...image } = flowImageOptions(start, job);
    return transformerRunner(pipe, { ...guidanceOptions(job), ...image, ...(width && height && { width, height }) });
  }
  const { QwenImagePipeline } = await import("../../pipelines/qwen-image.js");
  return transformerRunner(new QwenImagePipeline({ ...open, scheduler }), { ...guidanceOptions(job), ...sizeOptions(job) });
}

/** The guidance scale is that of true guidance, which needs a negative prompt: " " is its authors' empty one. */
export function guidanceOptions(job: Job) {
  const { guidanceScale, negativePrompt, ...options } = flowOptions(job);
  const isGuided = typeof guidanceScale !== "number" || guidanceScale > 1;
  return { ...options, trueCfgScale: guidanceScale as number, ...(isGuided && { negativePrompt: negativePrompt || " " }) };
}
