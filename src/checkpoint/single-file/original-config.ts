import * as v from "valibot";
import { CheckpointError } from "../../errors.js";
import type { PredictionType } from "../../families/prediction-types.js";
import { LATENTS } from "../../families/stable-diffusion.js";
import { messageOf } from "../../message-of.js";
import type { Folder } from "../../platform/folder.js";
import { warn } from "../../warnings.js";
import { parseConfig, side } from "../schema.js";

// The training config of CompVis' ldm and Stability's sgm. It lies beside the checkpoint and has its name: `model.yaml` for
// `model.safetensors`.

/** Bytes; real configs are far smaller. */
const LARGEST = 200_000;
/** From here on, `image_size` is in pixels. In latents it would mean pictures of at least 2048 pixels a side. */
const SMALLEST_IN_PIXELS = 256;

/** The settings in a checkpoint's own config; undefined if it does not set them. */
export interface OriginalConfig {
  /** The file's name. */
  readonly name: string;
  readonly prediction: PredictionType | undefined;
  /** Whether the config is one of ldm, which predicts noise by default. */
  readonly impliesNoise: boolean;
  readonly betaStart: number | undefined;
  readonly betaEnd: number | undefined;
  /** The schedule's name in diffusers. */
  readonly betaSchedule: string | undefined;
  readonly trainTimesteps: number | undefined;
  /** Height and width of the latents. */
  readonly latentSize: number | undefined;
  readonly scalingFactor: number | undefined;
  /** Whether the moving average of the weights, `model_ema`, is to be used. */
  readonly usesEma: boolean;
}

const beta = v.pipe(
  v.number(),
  v.check((value) => value > 0 && value < 1, "a number between 0 and 1"),
);
const positive = v.pipe(
  v.number(),
  v.check((value) => value > 0 && Number.isFinite(value), "a number above 0"),
);
const target = v.optional(v.string());

const schema = v.object({
  model: v.object({
    target,
    params: v.object({
      parameterization: v.nullish(v.picklist(["eps", "v", "x0"])),
      linear_start: v.nullish(beta),
      linear_end: v.nullish(beta),
      beta_schedule: v.nullish(v.picklist(["linear", "sqrt_linear", "cosine"])),
      timesteps: v.nullish(v.pipe(v.number(), v.integer("a whole number"), v.minValue(1, "a whole number from 1"), v.maxValue(100_000))),
      image_size: v.nullish(side),
      scale_factor: v.nullish(positive),
      use_ema: v.nullish(v.boolean()),
      denoiser_config: v.nullish(
        v.looseObject({ params: v.nullish(v.looseObject({ scaling_config: v.nullish(v.looseObject({ target })) })) }),
      ),
    }),
  }),
});

const PARAMETERIZATIONS = { eps: "epsilon", v: "v_prediction", x0: "sample" } as const;
/** ldm's names for schedules of betas, and diffusers'. */
const BETA_SCHEDULES = { linear: "scaled_linear", sqrt_linear: "linear", cosine: "squaredcos_cap_v2" } as const;

/** The path of the config beside the checkpoint at `path`. */
export function originalConfigName(path: string): string {
  return `${path.replace(/\.[^.]*$/, "")}.yaml`;
}

/**
 * Reads the config beside the checkpoint at `path`; undefined if there is none. Warns about a file that is not a model's config, and
 * ignores it.
 * @throws CheckpointError if the file is not YAML; ConfigError for an invalid value.
 */
export async function readOriginalConfig(folder: Folder, path: string): Promise<OriginalConfig | undefined> {
  const name = originalConfigName(path);
  if (!(await folder.has(name))) return undefined;
  const at = `${folder.name}/${name}`;
  const yaml = await readYaml(folder, name);
  if (!isModelConfig(yaml)) {
    warn(`${at} has no model.params, so it is not the config of the checkpoint beside it; it is ignored`);
    return undefined;
  }
  const { model } = parseConfig(at, schema, yaml, "correct the file, or move it elsewhere to open the checkpoint without it");
  const { params } = model;
  const scaling = params.denoiser_config?.params?.scaling_config?.target;
  if (params.parameterization == null && hasKey(yaml, "parameterization", 5)) {
    warn(
      (option) =>
        `${at} has a parameterization outside model.params, which is ignored, as in the original programs. To use it, move it there or give ${option("predictionType")}`,
    );
  }
  if (hasKey(yaml, "zero_terminal_snr", 5, true)) {
    warn(`${at} has zero_terminal_snr, which is ignored. To start at full noise, set rescale_betas_zero_snr in the scheduler's config`);
  }
  return {
    name,
    prediction: params.parameterization ? PARAMETERIZATIONS[params.parameterization] : predictionOfScaling(scaling),
    impliesNoise: model.target?.startsWith("ldm.") ?? false,
    betaStart: params.linear_start ?? undefined,
    betaEnd: params.linear_end ?? undefined,
    betaSchedule: params.beta_schedule ? BETA_SCHEDULES[params.beta_schedule] : undefined,
    trainTimesteps: params.timesteps ?? undefined,
    latentSize: latentSize(params.image_size ?? undefined),
    scalingFactor: params.scale_factor ?? undefined,
    usesEma: params.use_ema ?? false,
  };
}

function latentSize(size: number | undefined): number | undefined {
  return size !== undefined && size >= SMALLEST_IN_PIXELS ? size / LATENTS.factor : size;
}

/** In sgm, the class that scales a network's output shows the prediction type. */
function predictionOfScaling(target = ""): PredictionType | undefined {
  if (target.endsWith(".VScaling")) return "v_prediction";
  return target.endsWith(".EpsScaling") ? "epsilon" : undefined;
}

/** Whether an object, or one inside it at most `depth` levels down, has a key, with the value `wanted` if one is given. */
function hasKey(value: unknown, key: string, depth: number, wanted?: unknown): boolean {
  if (typeof value !== "object" || value === null || depth === 0) return false;
  const entries = Object.entries(value);
  return entries.some(
    ([name, inner]) => (name === key && (wanted === undefined || inner === wanted)) || hasKey(inner, key, depth - 1, wanted),
  );
}

function isModelConfig(yaml: unknown): boolean {
  const model = typeof yaml === "object" && yaml !== null && "model" in yaml ? yaml.model : undefined;
  const params = typeof model === "object" && model !== null && "params" in model ? model.params : undefined;
  return typeof params === "object" && params !== null;
}

async function readYaml(folder: Folder, name: string): Promise<unknown> {
  const at = `${folder.name}/${name}`;
  const size = await folder.size(name);
  const hint = "correct the file, or move it elsewhere to open the checkpoint without it";
  if (size > LARGEST) throw new CheckpointError(`${at} has ${size} bytes; a checkpoint's config has at most ${LARGEST}`, { hint });
  const { parse } = await import("yaml");
  try {
    return parse(new TextDecoder("utf-8", { fatal: true }).decode(await folder.read(name)), {
      // The original programs read it with PyYAML, which implements YAML 1.1: `no` is false, `<<` merges.
      version: "1.1",
      logLevel: "error",
      maxAliasCount: 100,
    });
  } catch (error) {
    const [what] = messageOf(error).split("\n");
    throw new CheckpointError(`${at} is not YAML: ${what}`, { hint, cause: error });
  }
}
