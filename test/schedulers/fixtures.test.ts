import { readdirSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { describe, expect, it } from "vitest";
import { camelCaseKeys } from "../../src/checkpoint/config.js";
import { parseJson } from "../../src/checkpoint/json.js";
import { f32 } from "../../src/schedulers/float32/arithmetic.js";
import { SCHEDULERS } from "../../src/schedulers/registry.js";
import type { Scheduler } from "../../src/schedulers/shared/scheduler.js";
import { Generator, randn } from "../../src/tensor/random.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { readTensors } from "../helpers/safetensors.js";

interface Case {
  class: string;
  config: Record<string, never>;
  num_inference_steps: number | null;
  timesteps?: number[] | null;
  sigmas?: number[] | null;
  /** Further options of setTimesteps. */
  timestep_options?: Record<string, never> | null;
  step_options?: Record<string, never> | null;
  /** Channels of the model's output, if it also predicts a variance. */
  model_channels?: number | null;
  /** The run starts at this position of the timesteps, as image-to-image does. */
  begin_index?: number | null;
  seed: number;
  eta: number | null;
  mu: number | null;
  init_noise_sigma: number;
}

// DARKROOM_SCHEDULER_CASES may name another folder of cases in the same format. scheduler-options has cases with options of `step`, or that
// start in the middle.
const fixtures = new URL("../fixtures", import.meta.url).pathname;
const folders = process.env.DARKROOM_SCHEDULER_CASES?.split(":") ?? [`${fixtures}/schedulers`, `${fixtures}/scheduler-options`];
const cases = folders.flatMap((folder) =>
  readdirSync(folder)
    // Score-based schedulers and those of k-diffusion have steps of other kinds; test/parity steps them.
    .filter((file) => file.endsWith(".json") && !/^(score_sde|dpmpp_2s_a|restart|dpm_fast|dpm_adaptive|.*cfg_pp)/.test(file))
    .map((file) => `${folder}/${file.slice(0, -".json".length)}`),
);

/** Python writes minus infinity as -Infinity. */
function readCase(path: string): Case {
  return parseJson(readFileSync(`${path}.json`, "utf8"), { depth: 8, pythonLiterals: true }) as unknown as Case;
}

describe.each(cases.map((path) => ({ name: basename(path), path, meta: readCase(path) })))("$name", ({ path, meta }) => {
  const entry = SCHEDULERS[meta.class];
  it.skipIf(!entry)(`${meta.class} walks the samples that diffusers walks`, () => {
    const expected = readTensors(`${path}.safetensors`);
    const prepared = () => {
      const scheduler = new (entry as NonNullable<typeof entry>).class(camelCaseKeys(meta.config));
      scheduler.setTimesteps({
        numInferenceSteps: meta.num_inference_steps ?? undefined,
        timesteps: meta.timesteps ?? undefined,
        sigmas: meta.sigmas ?? undefined,
        mu: meta.mu ?? undefined,
        ...camelCaseKeys(meta.timestep_options ?? {}),
      });
      return scheduler;
    };
    const scheduler = prepared();
    const generator = new Generator(meta.seed);
    const noise = randn([2, 3, 4, 4], generator);
    expectClose("noise", noise.toArray(), expected.noise?.toArray());
    expectSameTimesteps(meta.class, scheduler.timesteps, expected.timesteps?.toArray());
    if (expected.sigmas) expectClose("sigmas", scheduler.sigmas ?? [], expected.sigmas.toArray());
    expectClose("initNoiseSigma", [scheduler.initNoiseSigma], [meta.init_noise_sigma]);

    if (meta.begin_index) scheduler.setBeginIndex?.(meta.begin_index);
    const samples = walk(scheduler, noise, meta, {
      generator,
      eta: meta.eta ?? undefined,
      ...camelCaseKeys(meta.step_options ?? {}),
    });
    expectClose(
      "samples",
      samples.flatMap((sample) => sample.toArray()),
      expected.samples?.toArray(),
    );

    if (expected.noised && expected.noised_at) {
      const noised = prepared().addNoise(Tensor.full(noise.shape, 1), noise, expected.noised_at.toArray());
      expectClose("noised", noised.toArray(), expected.noised.toArray());
    }
  });
});

/** The sample of every step, with the fixtures' substitute for a model. */
function walk(scheduler: Scheduler, noise: Tensor, { begin_index, model_channels }: Case, options: object): Tensor[] {
  let sample = noise.mul(scheduler.initNoiseSigma);
  return scheduler.timesteps.slice(begin_index ?? 0).map((t) => {
    const output = fakeModel(scheduler.scaleModelInput(sample, t), t, model_channels ?? undefined);
    sample = scheduler.step(output, t, sample, options).prevSample;
    return sample;
  });
}

/**
 * Rounded as torch rounds. Channels after the sample's are a variance: they begin again with its first channel and are never negative.
 */
function fakeModel(x: Tensor, t: number, channels = x.shape[1] ?? 1): Tensor {
  const [batch = 1, own = 1, ...rest] = x.shape;
  const plane = x.size / (batch * own);
  const values = Array.from({ length: batch * channels * plane }, (_, i) => {
    const [image, c] = [Math.floor(i / (plane * channels)), Math.floor(i / plane) % channels];
    const value = x.data[(image * own + (c % own)) * plane + (i % plane)] as number;
    const output = f32(f32(value * f32(t / (t + 1))) * 0.5) + f32(f32(0.1) * f32(Math.cos(f32(c + f32(t / 100)))));
    return c < own ? output : Math.abs(output);
  });
  return Tensor.from(values, [batch, channels, ...rest]);
}

/**
 * Timesteps are exact, except the last bits of results of logarithms, exponentials and sines: torch's library does not round correctly, and
 * numpy's differs between processors.
 */
function expectSameTimesteps(className: string, actual: readonly number[], expected: readonly number[] = []): void {
  if (!/^(CM|EDM|IPNDM|KDPM2|DPMSolverSDE)/.test(className)) {
    expect(actual).toEqual(expected);
    return;
  }
  expect(actual).toHaveLength(expected.length);
  for (const [i, timestep] of expected.entries()) {
    if (Number.isNaN(timestep)) expect(actual[i]).toBeNaN();
    else expect(Math.abs((actual[i] as number) - timestep)).toBeLessThanOrEqual(1.5e-6 * Math.max(Math.abs(timestep), 1));
  }
}

/** Within 1e-5 of the largest absolute value; diffusers' NaN and infinities are ours too. */
function expectClose(what: string, actual: readonly number[], expected: readonly number[] = []): void {
  expect(actual, what).toHaveLength(expected.length);
  const scale = expected.reduce((largest, value) => (Number.isFinite(value) ? Math.max(largest, Math.abs(value)) : largest), 1e-30);
  let worst = 0;
  expected.forEach((value, i) => {
    const own = actual[i] as number;
    const difference = Object.is(own, value) || own === value ? 0 : Math.abs(own - value) / scale;
    worst = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : Math.max(worst, difference);
  });
  expect(worst, `${what}: largest difference`).toBeLessThanOrEqual(1e-5);
}
