import { camelCaseKeys } from "../../src/checkpoint/config.js";
import type { JsonObject } from "../../src/checkpoint/json.js";
import { SCHEDULERS } from "../../src/schedulers/registry.js";
import { ScoreSdeVeScheduler } from "../../src/schedulers/score-sde-ve.js";
import { ScoreSdeVpScheduler } from "../../src/schedulers/score-sde-vp.js";
import type { Scheduler, StepOptions } from "../../src/schedulers/shared/scheduler.js";
import type { DType } from "../../src/tensor/dtype.js";
import { Generator, parseSeed, randn } from "../../src/tensor/random.js";
import { concat, Tensor } from "../../src/tensor/tensor.js";
import type { ParityCase } from "./cases.js";
import { type Comparison, exactly, NotSupported, withinRelative } from "./comparison.js";

/** Relative to the largest absolute value of each tensor. */
const TOLERANCE = 1e-5;
const FRACTION_TOLERANCE = 1e-6;
const f32 = Math.fround;

interface SchedulerMeta {
  readonly class: string;
  readonly config: JsonObject;
  readonly num_inference_steps?: number | null;
  readonly timesteps?: number[] | null;
  readonly sigmas?: number[] | null;
  readonly mu?: number | null;
  readonly eta?: number | null;
  readonly seed: number | string;
  readonly init_noise_sigma?: number | null;
  /** Further options of setTimesteps. */
  readonly timestep_options?: JsonObject | null;
  readonly step_options?: JsonObject | null;
  /** Channels of the model's output, if it also predicts a variance. */
  readonly model_channels?: number | null;
  /** The run starts at this position of the timesteps, as image-to-image does. */
  readonly begin_index?: number | null;
}

/** Steps a scheduler with the fixtures' substitute for a model. */
export async function compareScheduler({ meta, tensors }: ParityCase): Promise<Comparison[]> {
  const {
    class: className,
    config,
    num_inference_steps: steps,
    init_noise_sigma: initNoiseSigma,
    ...options
  } = meta as unknown as SchedulerMeta;
  const entry = Object.hasOwn(SCHEDULERS, className) ? SCHEDULERS[className] : undefined;
  if (!entry) throw new NotSupported(className);
  const planned = () => {
    const scheduler = new entry.class(camelCaseKeys(config));
    const { timesteps, sigmas, mu } = options;
    scheduler.setTimesteps({
      numInferenceSteps: steps ?? undefined,
      timesteps: timesteps ?? undefined,
      sigmas: sigmas ?? undefined,
      mu: mu ?? undefined,
      ...camelCaseKeys(options.timestep_options ?? {}),
    });
    if (scheduler instanceof ScoreSdeVeScheduler) scheduler.setSigmas(scheduler.timesteps.length);
    return scheduler;
  };
  const { noise: pythonNoise, timesteps, sigmas, samples, noised, noised_at: noisedAt } = tensors();
  if (!pythonNoise || !timesteps || !samples) throw new Error("the case lacks noise, timesteps or samples");

  const scheduler = planned();
  const generator = new Generator(parseSeed(options.seed));
  const noise = randn(pythonNoise.shape, generator);
  const beginIndex = options.begin_index ?? 0;
  if (beginIndex > 0) scheduler.setBeginIndex?.(beginIndex);
  const stepOptions = { generator, eta: options.eta ?? undefined, ...camelCaseKeys(options.step_options ?? {}) };
  const walked = walk(scheduler, noise, { beginIndex, channels: options.model_channels ?? undefined, stepOptions });
  return [
    withinRelative("noise", noise, pythonNoise, TOLERANCE),
    compareTimesteps(scheduler, timesteps),
    ...(sigmas ? [withinRelative("sigmas", scheduler.sigmas ?? [], sigmas, TOLERANCE)] : []),
    ...(typeof initNoiseSigma === "number"
      ? [withinRelative("init_noise_sigma", [scheduler.initNoiseSigma], [initNoiseSigma], TOLERANCE)]
      : []),
    withinRelative("samples", walked, samples, TOLERANCE),
    ...(noised && noisedAt ? [withinRelative("noised", addNoise(planned(), noise, noisedAt), noised, TOLERANCE)] : []),
  ];
}

/** Ones with the noise at `timesteps`. */
function addNoise(scheduler: Scheduler, noise: Tensor, timesteps: Tensor<DType>): Tensor {
  const own = timesteps.toArray().map((timestep) => ownTimestep(scheduler, timestep));
  return scheduler.addNoise(Tensor.full(noise.shape, 1), noise, own);
}

interface Way {
  readonly beginIndex: number;
  /** Channels of the model's output; those of the sample by default. */
  readonly channels: number | undefined;
  readonly stepOptions: StepOptions;
}

/** The sample after every step [steps, ...]. */
function walk(scheduler: Scheduler, noise: Tensor, { beginIndex, ...way }: Way): Tensor {
  let sample = noise.mul(scheduler.initNoiseSigma);
  const samples: Tensor[] = [];
  // A list that may grow while the loop runs over it.
  for (const [index, timestep] of scheduler.timesteps.entries()) {
    if (index < beginIndex) continue;
    sample = takeStep(scheduler, { index, timestep, sample, ...way });
    samples.push(sample.reshape([1, ...sample.shape]));
  }
  return concat(samples);
}

interface Turn extends Omit<Way, "beginIndex"> {
  readonly index: number;
  readonly timestep: number;
  readonly sample: Tensor;
}

/** One step. Score-based schedulers correct the sample first. */
function takeStep(scheduler: Scheduler, { index, timestep, sample, channels, stepOptions }: Turn): Tensor {
  if (scheduler instanceof ScoreSdeVpScheduler)
    return scheduler.stepPred(standIn(sample, timestep), sample, timestep, stepOptions).prevSample;
  if (scheduler instanceof ScoreSdeVeScheduler) {
    const sigma = scheduler.sigmas[index] as number;
    let corrected = sample;
    for (let i = 0; i < scheduler.config.correctSteps; i++) {
      corrected = scheduler.stepCorrect(standIn(corrected, sigma), corrected, stepOptions).prevSample;
    }
    return scheduler.stepPred(standIn(corrected, sigma), timestep, corrected, stepOptions).prevSample;
  }
  const output = standIn(scheduler.scaleModelInput(sample, timestep), timestep, channels);
  if (!scheduler.needsUnconditional) return scheduler.step(output, timestep, sample, stepOptions).prevSample;
  const unconditional = output.mul(0.75).add(f32(0.1));
  const guided = unconditional.add(output.sub(unconditional).mul(3));
  return scheduler.step(guided, timestep, sample, { ...stepOptions, unconditional }).prevSample;
}

/**
 * The fixtures' substitute for a model, rounded where torch rounds: some schedulers take differences of large numbers. Channels after the
 * sample's are a variance: they begin again with its first channel and are never negative.
 */
function standIn(x: Tensor, timestep: number, channels = x.shape[1] ?? 1): Tensor {
  const [batch = 1, own = 1, ...rest] = x.shape;
  const plane = x.size / (batch * own);
  const share = f32(timestep / (timestep + 1));
  const waves = Array.from({ length: channels }, (_, c) => f32(f32(0.1) * f32(Math.cos(f32(c + f32(timestep / 100))))));
  const values = Array.from({ length: batch * channels * plane }, (_, i) => {
    const [image, c] = [Math.floor(i / (plane * channels)), Math.floor(i / plane) % channels];
    const value = x.data[(image * own + (c % own)) * plane + (i % plane)] as number;
    const output = f32(f32(value * share) * 0.5) + (waves[c] as number);
    return c < own ? output : Math.abs(output);
  });
  return Tensor.from(values, [batch, channels, ...rest]);
}

/**
 * Whole timesteps are equal. Fractions are results of logarithms, whose last bit differs between libraries. Adaptive schedulers choose them
 * by the errors of the samples.
 */
function compareTimesteps({ timesteps, isAdaptive }: Scheduler, expected: Tensor<DType>): Comparison {
  if (expected.toArray().every(Number.isInteger)) return exactly("timesteps", timesteps, expected);
  return withinRelative("timesteps", timesteps, expected, isAdaptive ? TOLERANCE : FRACTION_TOLERANCE);
}

/** The scheduler's own timestep if Python's differs only in its last bit. */
function ownTimestep({ timesteps }: Scheduler, python: number): number {
  return timesteps.find((own) => Math.abs(own - python) <= FRACTION_TOLERANCE * Math.abs(python)) ?? python;
}
