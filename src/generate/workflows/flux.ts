import type { FluxTransformer2DModel } from "../../models/flux-transformer-2d.js";
import type { FluxPipeline } from "../../pipelines/flux.js";
import type { FluxFillPipeline } from "../../pipelines/flux-fill.js";
import { type Runner, transformerRunner } from "../runner.js";
import type { MaskStart } from "../start.js";
import { flowImageOptions, flowOptions, maskOptions, sizeOptions } from "./job-options.js";
import type { FamilyWorkflow, Job } from "./workflow.js";

/** Pixels of a token along each side, for each latent. */
const PATCH = 2;

/** FLUX.1 schnell and dev. */
export const FLUX: FamilyWorkflow = {
  async open({ model }, options, keep) {
    const { FluxPipeline } = await import("../../pipelines/flux.js");
    const pipe = keep(await FluxPipeline.fromPretrained(model, options));
    return { pipeline: pipe, adaptable: pipe, runner: (job) => runnerOf(job, pipe) };
  },
};

/** FLUX.1 Fill. */
export const FLUX_FILL: FamilyWorkflow = {
  async open({ model }, options, keep) {
    const { FluxFillPipeline } = await import("../../pipelines/flux-fill.js");
    const pipe: FluxFillPipeline = keep(await FluxFillPipeline.fromPretrained(model, options));
    return {
      pipeline: pipe,
      adaptable: pipe,
      async runner(job) {
        const { paddingMaskCrop: _, ...mask } = maskOptions(job.start as MaskStart, job, tokensOf(pipe));
        return transformerRunner(new FluxFillPipeline({ ...pipe, scheduler: job.scheduler }), { ...fluxOptions(job, pipe), ...mask });
      },
    };
  },
};

/** FLUX.1 Kontext. The result has the shape of the picture, or the one that is asked for. */
export const FLUX_KONTEXT: FamilyWorkflow = {
  async open({ model }, options, keep) {
    const { FluxKontextPipeline } = await import("../../pipelines/flux-kontext.js");
    const pipe = keep(await FluxKontextPipeline.fromPretrained(model, options));
    return {
      pipeline: pipe,
      adaptable: pipe,
      async runner(job): Promise<Runner> {
        const { start, scheduler } = job;
        const picture = start.kind === "noise" ? undefined : start.image.picture;
        const [width, height] = [job.width ?? picture?.width, job.height ?? picture?.height];
        const { maxArea = job.width !== undefined && job.height !== undefined ? job.width * job.height : undefined } = job;
        const size = { ...(width !== undefined && { width }), ...(height !== undefined && { height }), ...(maxArea && { maxArea }) };
        return transformerRunner(new FluxKontextPipeline({ ...pipe, scheduler }), {
          ...fluxOptions(job, pipe),
          ...size,
          ...(picture && { image: picture }),
        });
      },
    };
  },
};

/** A pipeline for the job, of the parts of the open one: it has its own scheduler, and shares the networks. */
async function runnerOf(job: Job, open: FluxPipeline): Promise<Runner> {
  const { start, scheduler } = job;
  const options = fluxOptions(job, open);
  if (start.kind === "image") {
    const { FluxImg2ImgPipeline } = await import("../../pipelines/flux-img2img.js");
    return transformerRunner(new FluxImg2ImgPipeline({ ...open, scheduler }), { ...options, ...flowImageOptions(start, job) });
  }
  if (start.kind === "mask") {
    const { FluxInpaintPipeline } = await import("../../pipelines/flux-inpaint.js");
    return transformerRunner(new FluxInpaintPipeline({ ...open, scheduler }), { ...options, ...maskOptions(start, job, tokensOf(open)) });
  }
  const { FluxPipeline } = await import("../../pipelines/flux.js");
  return transformerRunner(new FluxPipeline({ ...open, scheduler }), { ...options, ...sizeOptions(job) });
}

/** The options of every pipeline. Guidance is only for transformers that take it. */
function fluxOptions(job: Job, { transformer }: { readonly transformer: FluxTransformer2DModel }) {
  const { guidanceScale, ...options } = flowOptions(job);
  return { ...options, ...(transformer.config.guidanceEmbeds && { guidanceScale: guidanceScale as number | undefined }) };
}

/** Sides are multiples of a token. */
function tokensOf({ vaeScaleFactor }: { readonly vaeScaleFactor: number }) {
  return { vaeScaleFactor: vaeScaleFactor * PATCH };
}
