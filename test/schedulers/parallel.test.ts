import { describe, expect, it } from "vitest";
import { camelCaseKeys } from "../../src/checkpoint/config.js";
import type { JsonObject } from "../../src/checkpoint/json.js";
import { DDIMParallelScheduler } from "../../src/schedulers/ddim-parallel.js";
import { DDPMParallelScheduler } from "../../src/schedulers/ddpm-parallel.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { readFixture } from "../helpers/fixtures.js";

interface BatchStep {
  readonly class: "DDIMParallelScheduler" | "DDPMParallelScheduler";
  readonly config: JsonObject;
  readonly steps: number;
  readonly timesteps: readonly number[];
  readonly output: string;
  readonly options: JsonObject;
}

describe("a step of a batch without noise", () => {
  const { meta, tensor: read } = readFixture<readonly BatchStep[]>("scheduler-extras", "batch_steps");
  const tensor = (name: string) => read(name) as Tensor;

  it.each(meta.map((each, i) => [`${each.class} ${i}`, each, i] as const))("is diffusers' for %s", (_, each, i) => {
    const Class = { DDIMParallelScheduler, DDPMParallelScheduler }[each.class];
    const scheduler = new Class(camelCaseKeys(each.config));
    scheduler.setTimesteps(each.steps);
    const stepped = scheduler.batchStepNoNoise(tensor(each.output), each.timesteps, tensor("sample"), camelCaseKeys(each.options));
    const expected = tensor(`expected.${i}`);
    expect(stepped.shape).toEqual(expected.shape);
    const differences = stepped.sub(expected).toArray().map(Math.abs);
    expect(Math.max(...differences)).toBeLessThan(1e-5);
  });

  const zeros = Tensor.zeros([2, 3, 4, 4]);
  const planned = () => {
    const scheduler = new DDIMParallelScheduler();
    scheduler.setTimesteps(10);
    return scheduler;
  };

  it("takes one timestep for all rows", () => {
    expect(planned().batchStepNoNoise(zeros, [900], zeros)).toEqual(planned().batchStepNoNoise(zeros, [900, 900], zeros));
  });

  it("needs as many timesteps as rows, no eta, and setTimesteps", () => {
    expect(() => planned().batchStepNoNoise(zeros, [900, 800, 700], zeros)).toThrow("3 timesteps were given for a batch of 2");
    expect(() => planned().batchStepNoNoise(zeros, [900], zeros, { eta: 0.5 })).toThrow("eta is 0.5; expected 0");
    expect(() => new DDIMParallelScheduler().batchStepNoNoise(zeros, [900], zeros)).toThrow("call setTimesteps before step");
  });
});
