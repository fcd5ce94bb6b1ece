import fc from "fast-check";
import { expect } from "vitest";
import { readConfig } from "../../src/checkpoint/config.js";
import type { Json } from "../../src/checkpoint/json.js";
import { snakeCase } from "../../src/letter-case.js";
import { SCHEDULERS, schedulerFromConfig } from "../../src/schedulers/registry.js";
import type { Scheduler } from "../../src/schedulers/shared/scheduler.js";
import { Generator } from "../../src/tensor/random.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { editedJson } from "./hostile.js";
import { MemoryFolder } from "./memory-folder.js";
import { attack, refusing, surface } from "./surface.js";

const FILE = "scheduler_config.json";
const STEPS = 4;

/** A class's config with all its fields, as diffusers writes it. */
function configOf(name: string): Json {
  const { _useDefaultValues, ...config } = schedulerFromConfig({ _className: name }).config as unknown as Record<string, Json>;
  return Object.fromEntries(Object.entries(config).map(([key, value]) => [snakeCase(key), value]));
}

const configs = Object.fromEntries(Object.keys(SCHEDULERS).map((name) => [name, configOf(name)]));

/** A config of one class with a few fields changed, which another class may be made from. */
const config = fc
  .tuple(fc.constantFrom(...Object.keys(configs)), fc.constantFrom(...Object.keys(configs)), fc.boolean())
  .chain(([own, other, isOwn]) => fc.tuple(fc.constant(isOwn ? own : other), editedJson(configs[own] as Json)));

const sample = Tensor.from([0.1, -0.2, 0.3, 0.4, 0.5, -0.6, 0.7, 0.8], [1, 2, 2, 2]);

/** Walks from noise to the end with a network that always says the same. */
function walk(scheduler: Scheduler): void {
  scheduler.setTimesteps({ numInferenceSteps: STEPS });
  let current = sample.mul(scheduler.initNoiseSigma);
  // Some make a step for each of the betas they are given.
  for (const timestep of scheduler.timesteps.slice(0, 5 * STEPS)) {
    scheduler.scaleModelInput(current, timestep);
    current = scheduler.step(sample, timestep, current, { generator: new Generator(0) }).prevSample;
    expect(current.shape).toEqual(sample.shape);
  }
}

surface("a scheduler's config", [
  attack(
    "with fields that are wrong",
    config,
    async ([name, json]) => {
      const folder = new MemoryFolder(new Map([[FILE, Buffer.from(json)]]));
      const config = await refusing(() => readConfig(folder, FILE));
      const own = config && (await refusing(() => schedulerFromConfig(config)));
      const other = config && (await refusing(() => SCHEDULERS[name]?.class.fromConfig(config)));
      for (const scheduler of [own, other, own && (await refusing(() => own.clone()))]) {
        if (!scheduler) continue;
        await refusing(() => walk(scheduler));
        await refusing(() => scheduler.addNoise(sample, sample, [scheduler.timesteps[0] ?? 0]));
        await refusing(() => scheduler.setTimesteps({ numInferenceSteps: STEPS, mu: 0.5 }));
      }
    },
    { runs: 800 },
  ),
]);
