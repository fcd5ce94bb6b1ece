import { type GenerateRequest, HIRES_UPSCALERS, type HiresOptions, type HiresUpscaler, stepsForStrength } from "darkroom/generate";
import { HttpError } from "../http-error.js";
import { atMost, type Size } from "../limits.js";
import type { Controls } from "./controlnet.js";
import { expectName } from "./names.js";
import type { CommonPlan, PlanContext, PlannedJob } from "./plan.js";
import type { Kernel } from "./raster.js";
import type { Txt2ImgBody } from "./request.js";
import { chooseSampler } from "./samplers.js";
import { multipleOf8 } from "./start-pictures.js";

/** Upscalers of pictures without a network. The web UI's "None" resizes by Lanczos, too. */
export const UPSCALERS = ["None", HIRES_UPSCALERS.lanczos, HIRES_UPSCALERS.nearest] as const;

/** The web UI's upscalers of latents. */
export const LATENT_UPSCALERS = Object.values(HIRES_UPSCALERS).filter((name) => name.startsWith("Latent"));

/** What the second pass starts from. */
export interface HiresStart {
  /** The picture of the first pass, made larger if the job does not do that; base64. */
  readonly image: string;
  readonly size: Size;
  readonly seed: string;
  /** Steps of the first pass. */
  readonly steps: number;
}

/** The second pass of hires fix as a job of its own: the picture is made larger and repainted from there. */
export interface HiresPass {
  /** Whether the job makes the picture larger, with an upscaler's network. */
  readonly enlarges: boolean;
  /** How the picture is made larger otherwise. */
  readonly kernel: Kernel;
  /** The larger size. */
  readonly size: (first: Size) => Size;
  /** The job for a picture of the first pass; undefined if the picture is only made larger. */
  readonly job: (start: HiresStart) => Promise<PlannedJob | undefined>;
  /** What the web UI writes about it into the picture's settings. */
  readonly settings: (first: Size, steps: number) => Readonly<Record<string, string>>;
  readonly warnings: readonly string[];
}

/** Hires fix: options of the job that makes the first pass, or a pass of its own. */
export type Hires = { readonly options: HiresOptions } | { readonly pass: HiresPass };

/**
 * Hires fix of a request. It is a part of the first job, unless its second pass has another model, sampler, prompt or ControlNets.
 * @throws HttpError
 */
export function hiresOf(body: Txt2ImgBody, common: CommonPlan, controls: Controls, { models, limits }: PlanContext, first: Size): Hires {
  const { hr_scale: scale = 2, hr_resize_x: x = 0, hr_resize_y: y = 0, hr_second_pass_steps: steps = 0 } = body;
  if (!(scale > 0) && x <= 0 && y <= 0) {
    throw new HttpError(422, `hr_scale is ${scale}; expected a number above 0, such as 2`, { code: "invalid_hr_scale", param: "hr_scale" });
  }
  const strength = body.denoising_strength ?? 0.75;
  const size = (from: Size) => larger(from, scale, x, y);
  const { width, height } = size(first);
  if (width * height > limits.maxPixels) {
    throw new HttpError(400, `hires fix would make ${width}x${height}, ${width * height} pixels; ${atMost("maxPixels", limits)}`, {
      code: "invalid_hr_scale",
      param: x > 0 ? "hr_resize_x" : y > 0 ? "hr_resize_y" : "hr_scale",
    });
  }
  const upscaler = upscalerOf(body.hr_upscaler, models.upscalerNames);
  const sampler = samplerOf(body);
  const model = isOwn(body.hr_checkpoint_name)
    ? common.model
    : expectName("Model", "hr_checkpoint_name", body.hr_checkpoint_name, models.modelNames);
  const isSame = model === common.model && !sampler && !body.hr_prompt && !body.hr_negative_prompt && controls.isEmpty;
  const isScaled = x <= 0 && y <= 0 && scale >= 1 && scale <= 8;
  if (isSame) {
    const by = isScaled ? { scale } : { width, height };
    return { options: { ...by, strength, upscaler: upscaler.id, ...(steps > 0 && { steps }) } };
  }
  const { scheduler: _, timestepSpacing: __, schedule: ____, schedulerConfig: ___, ...request } = common.request;
  const chosen = sampler?.request ?? common.request;
  const pass: HiresPass = {
    enlarges: upscaler.isNetwork,
    kernel: upscaler.id === "nearest" ? "nearest" : "lanczos3",
    size,
    job: async ({ image, size, seed, steps: firstSteps }) => {
      if (strength === 0 && !upscaler.isNetwork) return undefined;
      const wanted = steps > 0 ? steps : firstSteps;
      return {
        model,
        request: {
          ...request,
          ...pick(chosen),
          ...(body.hr_prompt && { prompt: body.hr_prompt }),
          ...(body.hr_negative_prompt && { negativePrompt: body.hr_negative_prompt }),
          ...(await controls.fields({ size }, "second")),
          image,
          ...(upscaler.isNetwork
            ? { hires: { ...size, strength, steps: wanted, upscaler: upscaler.id } }
            : { strength, numInferenceSteps: stepsForStrength(wanted, strength) }),
          seed,
        },
      };
    },
    settings: (from, firstSteps) => ({
      "Denoising strength": String(strength),
      ...(x > 0 || y > 0 ? { "Hires resize": `${size(from).width}x${size(from).height}` } : { "Hires upscale": String(scale) }),
      "Hires steps": String(steps > 0 ? steps : firstSteps),
      "Hires upscaler": upscaler.isLatent ? HIRES_UPSCALERS.lanczos : upscaler.name,
      ...(sampler?.name !== undefined && { "Hires sampler": sampler.name }),
      ...(model !== common.model && { "Hires checkpoint": model }),
    }),
    warnings: [
      ...(upscaler.isLatent
        ? [
            `hr_upscaler ${upscaler.name}: a second pass with a model, sampler, prompt or ControlNet of its own has no latents; Lanczos is used`,
          ]
        : []),
      ...(sampler?.warnings ?? []),
    ],
  };
  return { pass };
}

/** A scale, or a width or a height with the other side in proportion, or both with what is over cut off. */
function larger({ width, height }: Size, scale: number, x: number, y: number): Size {
  if (x > 0 && y > 0) return { width: multipleOf8(x), height: multipleOf8(y) };
  if (x > 0) return { width: multipleOf8(x), height: multipleOf8((x * height) / width) };
  if (y > 0) return { width: multipleOf8((y * width) / height), height: multipleOf8(y) };
  return { width: multipleOf8(width * scale), height: multipleOf8(height * scale) };
}

/** An upscaler that a request names. */
interface NamedUpscaler {
  /** The web UI's name for it. */
  readonly name: string;
  /** The name that the library or the server has for it. */
  readonly id: string;
  readonly isLatent: boolean;
  readonly isNetwork: boolean;
}

function upscalerOf(given: string | undefined, offered: readonly string[]): NamedUpscaler {
  const wanted = (given || HIRES_UPSCALERS.latent).toLowerCase();
  const network = offered.find((each) => each.toLowerCase() === wanted);
  if (network !== undefined) return { name: network, id: network, isLatent: false, isNetwork: true };
  const names = Object.entries(HIRES_UPSCALERS) as [HiresUpscaler, string][];
  const [id, name] = names.find(([, each]) => each.toLowerCase() === wanted) ?? [];
  if (id !== undefined && name !== undefined)
    return { name, id, isLatent: LATENT_UPSCALERS.some((each) => each === name), isNetwork: false };
  if (wanted === "none") return { name: "None", id: "lanczos", isLatent: false, isNetwork: false };
  throw upscalerNotFound("hr_upscaler", given ?? "", offered, LATENT_UPSCALERS);
}

/** The error for an upscaler that the server does not have. */
export function upscalerNotFound(param: string, name: string, offered: readonly string[], more: readonly string[] = []): HttpError {
  return new HttpError(400, `Upscaler not found: this server has none called ${JSON.stringify(name.slice(0, 100))}`, {
    code: "upscaler_not_found",
    param,
    hint: `it has ${[...UPSCALERS, ...offered, ...more].join(", ")}`,
  });
}

/** A sampler of its own for the second pass. */
function samplerOf(body: Txt2ImgBody) {
  const { hr_sampler_name: name, hr_scheduler: scheduler } = body;
  if (isOwn(name) && isOwn(scheduler)) return undefined;
  return chooseSampler(isOwn(name) ? (body.sampler_name ?? body.sampler_index) : name, isOwn(scheduler) ? body.scheduler : scheduler);
}

/** The web UI's words for the first pass's own: nothing, or "Use same sampler". */
function isOwn(name: string | undefined): name is undefined {
  return name === undefined || name === "" || /^use same /i.test(name);
}

function pick({ scheduler, timestepSpacing, schedule, schedulerConfig }: GenerateRequest): GenerateRequest {
  return {
    ...(scheduler !== undefined && { scheduler }),
    ...(timestepSpacing !== undefined && { timestepSpacing }),
    ...(schedule !== undefined && { schedule }),
    ...(schedulerConfig !== undefined && { schedulerConfig }),
  };
}
