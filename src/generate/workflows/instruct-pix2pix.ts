import type { Picture } from "../../image/picture.js";
import type { StableDiffusionInstructPix2PixPipeline } from "../../pipelines/stable-diffusion-instruct-pix2pix.js";
import type { StableDiffusionXLInstructPix2PixPipeline } from "../../pipelines/stable-diffusion-xl-instruct-pix2pix.js";
import { type Runner, runner } from "../runner.js";
import type { ImageStart } from "../start.js";
import { imageOptions, promptOptions } from "./job-options.js";
import type { FamilyWorkflow, Job } from "./workflow.js";

/** InstructPix2Pix. */
export const INSTRUCT_PIX2PIX: FamilyWorkflow = {
  async open({ model }, options, keep) {
    const { StableDiffusionInstructPix2PixPipeline } = await import("../../pipelines/stable-diffusion-instruct-pix2pix.js");
    const open = keep(await StableDiffusionInstructPix2PixPipeline.fromPretrained(model, options));
    return {
      pipeline: open,
      adaptable: open,
      imagePromptable: open,
      async runner(job): Promise<Runner> {
        const pipe = Object.assign(new StableDiffusionInstructPix2PixPipeline({ ...open }), { scheduler: job.scheduler });
        return runner(pipe, { ...promptOptions(job), ...editOptions(job, pipe) });
      },
    };
  },
};

/** InstructPix2Pix XL. The picture keeps its size; the pipeline alone would bring it to the size that the network was trained on. */
export const INSTRUCT_PIX2PIX_XL: FamilyWorkflow = {
  async open({ model }, options, keep) {
    const { StableDiffusionXLInstructPix2PixPipeline } = await import("../../pipelines/stable-diffusion-xl-instruct-pix2pix.js");
    const open = keep(await StableDiffusionXLInstructPix2PixPipeline.fromPretrained(model, options));
    return {
      pipeline: open,
      adaptable: open,
      imagePromptable: open,
      async runner(job): Promise<Runner> {
        const pipe = Object.assign(new StableDiffusionXLInstructPix2PixPipeline({ ...open }, open.settings), { scheduler: job.scheduler });
        const { image, ...edit } = editOptions(job, pipe);
        const floor = (side: number) => Math.max(Math.floor(side / pipe.vaeScaleFactor), 1) * pipe.vaeScaleFactor;
        return runner(pipe, { ...promptOptions(job), image, ...edit, width: floor(image.width), height: floor(image.height) });
      },
    };
  },
};

/** The family has no other start than a picture. */
function editOptions(job: Job, pipe: StableDiffusionInstructPix2PixPipeline | StableDiffusionXLInstructPix2PixPipeline) {
  const { image } = imageOptions(job.start as ImageStart, job, pipe) as { readonly image: Picture };
  return { image, imageGuidanceScale: job.imageGuidanceScale };
}
