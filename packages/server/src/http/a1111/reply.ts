import { parseParameters } from "darkroom";
import type { Plan } from "./plan.js";
import { echoOf } from "./request.js";
import type { Made } from "./run-plan.js";
import { timestamp } from "./tasks.js";

/** The web UI whose replies ours are like. Clients look at it. */
const VERSION = "v1.10.1";

/** The reply of txt2img and img2img. */
export function replyOf(plan: Plan, made: Made, body: Readonly<Record<string, unknown>>, startedAt: number): Record<string, unknown> {
  const sendsPictures = !(body.send_images === false || body.send_images === 0);
  return {
    images: sendsPictures ? made.pictures.map(({ data }) => Buffer.from(data).toString("base64")) : [],
    parameters: echoOf(plan.kind, body, body.include_init_images === true),
    info: infoText(plan, made, startedAt),
  };
}

/** The info as JSON. Seeds have all their digits in it, which `JSON.stringify` does not write of numbers that JavaScript rounds. */
function infoText(plan: Plan, made: Made, startedAt: number): string {
  const all = made.pictures.map(({ seed }) => signed(plan, BigInt(seed)));
  const first = all[0] ?? signed(plan, plan.seed);
  const warnings = [...made.warnings, ...unsafeSeed(all.at(-1) ?? first)];
  const seeds = `"seed":${first},"all_seeds":[${all}],"subseed":${first},"all_subseeds":[${all}]`;
  return `{${seeds},${JSON.stringify(infoOf(plan, { ...made, warnings }, startedAt)).slice(1)}`;
}

function unsafeSeed(last: bigint): string[] {
  if (last <= BigInt(Number.MAX_SAFE_INTEGER) && last >= BigInt(Number.MIN_SAFE_INTEGER)) return [];
  return [`the seed ${last} is exact in this reply, but JavaScript rounds numbers beyond 2^53 - 1`];
}

/** A seed as the request has it: torch takes -5 for 2^64 - 5. */
function signed({ isSigned }: Plan, seed: bigint): bigint {
  return isSigned ? BigInt.asIntN(64, seed) : seed;
}

/** What the web UI tells of its pictures, under its names, without the seeds. */
function infoOf(plan: Plan, { pictures, settings, warnings }: Made, startedAt: number): Record<string, unknown> {
  const [job] = plan.rounds[0] ?? [];
  const [first] = pictures;
  const read = parseParameters(first?.parameters ?? "").settings;
  const { prompt = "", negativePrompt = "", width, height, strength } = job?.request ?? {};
  const each = <Value>(value: Value): Value[] => pictures.map(() => value);
  return {
    prompt,
    all_prompts: each(prompt),
    negative_prompt: negativePrompt,
    all_negative_prompts: each(negativePrompt),
    subseed_strength: 0,
    width: first?.width ?? width ?? 0,
    height: first?.height ?? height ?? 0,
    sampler_name: plan.sampler ?? read.Sampler ?? "",
    cfg_scale: numberIn(settings.guidanceScale, read["CFG scale"]),
    steps: numberIn(settings.numInferenceSteps, read.Steps),
    batch_size: plan.batch,
    restore_faces: false,
    face_restoration_model: null,
    sd_model_name: job?.model ?? "",
    sd_model_hash: "",
    sd_vae_name: plan.settings.vae ?? null,
    sd_vae_hash: null,
    seed_resize_from_w: -1,
    seed_resize_from_h: -1,
    denoising_strength: numberIn(strength, read["Denoising strength"]),
    extra_generation_params: {},
    index_of_first_image: 0,
    infotexts: pictures.map(({ parameters }) => parameters),
    styles: [],
    job_timestamp: timestamp(startedAt),
    clip_skip: (plan.settings.clipSkip ?? 0) + 1,
    is_using_inpainting_conditioning: false,
    version: VERSION,
    // Not the web UI's: what was asked for and did not come, or not quite.
    warnings: [...plan.warnings, ...warnings],
  };
}

function numberIn(...values: readonly unknown[]): number {
  return values.map((value) => (value === undefined || value === null ? Number.NaN : Number(value))).find(Number.isFinite) ?? 0;
}
