import type { GenerateRequest } from "darkroom/generate";
import type { NewJob, OutputOptions } from "../../jobs/job.js";
import { HttpError } from "../http-error.js";
import { atMost, type Limits, type Size } from "../limits.js";
import type { Models } from "../models.js";
import { type Controls, controlsOf } from "./controlnet.js";
import { type HiresPass, hiresOf } from "./hires.js";
import { expectName } from "./names.js";
import { type CommonBody, type Img2ImgBody, readImg2Img, readTxt2Img, type Txt2ImgBody } from "./request.js";
import { chooseSampler } from "./samplers.js";
import { controlNetArgs, refuseScripts } from "./scripts.js";
import { merged, readSettings, type Settings } from "./settings.js";
import { multipleOf8, type StartFields, startsOf, worksAroundMask } from "./start-pictures.js";
import { withoutEffect } from "./without-effect.js";

/** What a request of txt2img or img2img makes, in the library's terms. */
export interface Plan {
  readonly kind: "txt2img" | "img2img";
  /** The web UI's name of the sampler; undefined: the model's own scheduler. */
  readonly sampler: string | undefined;
  readonly settings: Partial<Settings>;
  readonly seed: bigint;
  /** The request has it below 0, and so it is told. */
  readonly isSigned: boolean;
  readonly batch: number;
  /** The jobs of each of n_iter rounds. A round can be skipped. */
  readonly rounds: readonly (readonly PlannedJob[])[];
  /** What becomes of each picture then. */
  readonly hires: HiresPass | undefined;
  /** How the pictures of the reply are encoded. */
  readonly output: OutputOptions;
  /** What was asked for and does not come, or not quite. */
  readonly warnings: readonly string[];
}

/** A job without what the server fills in. */
export type PlannedJob = Pick<NewJob, "model" | "request">;

/** What a plan depends on. */
export interface PlanContext {
  readonly models: Models;
  readonly limits: Limits;
  /** The caller's settings. */
  readonly settings: Settings;
}

/** @throws HttpError, ArgumentError */
export async function planTxt2Img(given: unknown, context: PlanContext): Promise<Plan> {
  const body = readTxt2Img(given);
  const common = commonOf(body, context);
  const controls = await controlsIn(body, context);
  const { width, height } = sizeOf(body);
  const model = await context.models.model(common.model);
  const first = { width: width ?? model?.size ?? 512, height: height ?? model?.size ?? 512 };
  const hires = body.enable_hr ? hiresOf(body, common, controls, context, first) : undefined;
  const pass = hires && "pass" in hires ? hires.pass : undefined;
  const control = await controls.fields({ size: { width, height } }, pass && "first");
  const warnings = [...controls.warnings, ...(pass?.warnings ?? [])];
  const larger = hires && "options" in hires ? { hires: hires.options } : {};
  return finish("txt2img", body, common, [{ ...control, ...larger, width, height }], pass, warnings, context);
}

/** @throws HttpError, ArgumentError */
export async function planImg2Img(given: unknown, context: PlanContext): Promise<Plan> {
  const body = readImg2Img(given);
  const common = commonOf(body, context);
  const controls = await controlsIn(body, context);
  const starts = await startsOf(body, controls, context.limits);
  const { strength, warnings } = strengthOf(body);
  return finish(
    "img2img",
    body,
    common,
    starts.map((start) => ({ ...start, strength })),
    undefined,
    [...controls.warnings, ...(worksAroundMask(body) ? controls.maskWarnings : []), ...warnings],
    context,
  );
}

function controlsIn(body: CommonBody, { models, limits }: PlanContext): Promise<Controls> {
  return controlsOf(controlNetArgs(body.alwayson_scripts), models.controlnetNames, limits);
}

/** The web UI takes one step at least. */
function strengthOf({ denoising_strength: asked = 0.75, steps }: Img2ImgBody): { readonly strength: number; readonly warnings: string[] } {
  if (steps === undefined || Math.floor(steps * asked) > 0) return { strength: asked, warnings: [] };
  // Rounded up, or the product with the steps could be a little less than 1.
  const strength = Math.ceil(1e6 / steps) / 1e6;
  return { strength, warnings: [`denoising_strength ${asked} of ${steps} steps is less than a step; one step is taken`] };
}

/** What both kinds of request have, in the library's terms. */
export interface CommonPlan {
  readonly model: string;
  readonly sampler: string | undefined;
  readonly settings: Partial<Settings>;
  readonly request: GenerateRequest;
  readonly warnings: readonly string[];
}

function commonOf(body: CommonBody & Partial<Txt2ImgBody & Img2ImgBody>, { models, settings: callers }: PlanContext): CommonPlan {
  refuseScripts(body);
  const overrides = readSettings(body.override_settings ?? {}, models, "override_settings");
  const settings = merged(callers, overrides);
  const model = settings.model ?? models.defaultModel;
  const chosen = chooseSampler(body.sampler_name ?? body.sampler_index, body.scheduler);
  const { clipSkip = 0, vae } = settings;
  const unheard = [...overrides.ignored.map((name) => `override_settings.${name}`), ...callers.ignored.map((name) => `the option ${name}`)];
  return {
    model,
    sampler: chosen.name,
    settings,
    request: {
      prompt: body.prompt ?? "",
      ...(body.negative_prompt && { negativePrompt: body.negative_prompt }),
      promptSyntax: "a1111",
      ...(body.steps !== undefined && { numInferenceSteps: body.steps }),
      ...(body.cfg_scale !== undefined && { guidanceScale: body.cfg_scale }),
      ...(clipSkip > 0 && { clipSkip }),
      ...(typeof vae === "string" && { vae }),
      ...chosen.request,
      ...refinerOf(body, models),
    },
    warnings: [
      ...chosen.warnings,
      ...withoutEffect(body, chosen.name),
      ...overrides.warnings,
      ...unheard.map((name) => `${name} has no effect here`),
    ],
  };
}

/** The web UI's refiner is ours. At 1 it would never take over. */
function refinerOf({ refiner_checkpoint: name, refiner_switch_at: at }: CommonBody, models: Models): GenerateRequest {
  if (name === undefined || /^(none|)$/i.test(name) || (at ?? 0) >= 1) return {};
  const refiner = expectName("Refiner", "refiner_checkpoint", name, models.modelNames);
  return { refiner, ...(at !== undefined && at > 0 && { denoisingEnd: at }) };
}

function finish(
  kind: Plan["kind"],
  body: CommonBody,
  { model, sampler, settings, request, warnings }: CommonPlan,
  starts: readonly (StartFields & GenerateRequest)[],
  hires: HiresPass | undefined,
  more: readonly string[],
  { limits }: PlanContext,
): Plan {
  // As the web UI: of several pictures to start from, each is one picture of the batch.
  const batch = starts.length > 1 ? starts.length : (body.batch_size ?? 1);
  const rounds = body.n_iter ?? 1;
  if (batch * rounds > limits.maxBatch) {
    throw new HttpError(400, `n_iter x batch_size is ${batch * rounds}; ${atMost("maxBatch", limits)}`, {
      code: "invalid_batch_size",
      param: "batch_size",
    });
  }
  const first = seedOf(body, batch * rounds);
  const isSigned = (body.seed ?? 0n) < -1n;
  const jobsOf = (round: number) =>
    starts.map((start, i) => ({
      model,
      request: {
        ...request,
        ...start,
        seed: String(first + BigInt(round * batch + i)),
        numImagesPerPrompt: starts.length > 1 ? 1 : batch,
      },
    }));
  return {
    kind,
    sampler,
    settings,
    seed: first,
    batch,
    rounds: Array.from({ length: rounds }, (_, round) => jobsOf(round)),
    hires,
    output: settings.output ?? { format: "png" },
    isSigned,
    warnings: [...warnings, ...more, ...roundedSides(body)],
  };
}

/**
 * The first picture's seed. A random one is drawn here, so that every round knows its own; it has 32 bits, like those of the web UI.
 * @throws HttpError for a last picture's seed beyond 2^64 - 1, before the first picture is made
 */
function seedOf({ seed }: CommonBody, pictures: number): bigint {
  if (seed === undefined || seed === -1n) return BigInt(crypto.getRandomValues(new Uint32Array(1))[0] ?? 0);
  const first = seed < 0n ? seed + 2n ** 64n : seed;
  if (seed >= -(2n ** 63n) && first + BigInt(pictures) <= 2n ** 64n) return first;
  throw new HttpError(400, `seed is ${seed}; expected seeds up to 2^64 - 1 for ${pictures} pictures, or -1 for a random one`, {
    code: "invalid_seed",
    param: "seed",
  });
}

function sizeOf({ width, height }: CommonBody): Partial<Size> {
  return {
    ...(width !== undefined && { width: multipleOf8(width) }),
    ...(height !== undefined && { height: multipleOf8(height) }),
  };
}

function roundedSides(body: CommonBody): string[] {
  return (["width", "height"] as const).flatMap((name) => {
    const side = body[name];
    return side === undefined || side === multipleOf8(side) ? [] : [`${name} ${side} is made ${multipleOf8(side)}, a multiple of 8`];
  });
}
