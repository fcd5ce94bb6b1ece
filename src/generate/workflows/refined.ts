import type { StableDiffusionXLBase, StableDiffusionXLCommonRequest } from "../../pipelines/stable-diffusion-xl-base.js";
import type { StableDiffusionXLImg2ImgPipeline } from "../../pipelines/stable-diffusion-xl-img2img.js";
import { ensembleRunner, type Runner, runner } from "../runner.js";
import { textOptions } from "./job-options.js";
import type { Job } from "./workflow.js";

/** A base that leaves the last steps to the open refiner, if there is one. */
export async function refined<Request extends StableDiffusionXLCommonRequest & { readonly denoisingEnd?: number }>(
  base: StableDiffusionXLBase<Request>,
  request: Request,
  job: Job,
  open: StableDiffusionXLImg2ImgPipeline | undefined,
): Promise<Runner> {
  const { denoisingEnd, strength = 1 } = job;
  if (!open || denoisingEnd === undefined) return runner(base, request);
  const { StableDiffusionXLImg2ImgPipeline } = await import("../../pipelines/stable-diffusion-xl-img2img.js");
  const scheduler = job.schedulerFrom(open.scheduler);
  const refiner = Object.assign(new StableDiffusionXLImg2ImgPipeline({ ...open }, open.settings), { scheduler });
  return ensembleRunner(base, refiner, {
    request,
    text: textOptions(job),
    denoisingEnd,
    share: (strength - (1 - denoisingEnd)) / strength,
  });
}
