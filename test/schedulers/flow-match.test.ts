import { beforeEach, describe, expect, it } from "vitest";
import { ArgumentError, ConfigError } from "../../src/errors.js";
import { FlowMatchEulerDiscreteScheduler } from "../../src/schedulers/flow-match-euler-discrete.js";
import { FlowMatchHeunDiscreteScheduler } from "../../src/schedulers/flow-match-heun-discrete.js";
import { FlowMatchLCMScheduler } from "../../src/schedulers/flow-match-lcm.js";
import { Generator, randn } from "../../src/tensor/random.js";
import { concat, Tensor } from "../../src/tensor/tensor.js";
import { readTensors } from "../helpers/safetensors.js";
import { collectWarnings } from "../helpers/warnings.js";

const tensors = readTensors(new URL("../fixtures/scheduler-extras/extras.safetensors", import.meta.url).pathname) as Record<string, Tensor>;
const expectClose = (actual: Tensor, expected: Tensor | undefined) => {
  expect(actual.shape).toEqual(expected?.shape);
  expect(
    Math.max(
      ...actual
        .sub(expected as Tensor)
        .toArray()
        .map(Math.abs),
    ),
  ).toBeLessThan(1e-5);
};

let warnings: string[];
beforeEach(() => {
  warnings = collectWarnings();
});

describe.each([FlowMatchEulerDiscreteScheduler, FlowMatchLCMScheduler])("%o", (scheduler) => {
  it("needs mu for dynamic shifting", () => {
    expect(() => new scheduler({ useDynamicShifting: true }).setTimesteps(4)).toThrow("use_dynamic_shifting needs mu");
  });

  it("refuses lists of different lengths", () => {
    const plan = () => new scheduler().setTimesteps({ timesteps: [900, 500], sigmas: [0.9, 0.5, 0.1] });
    expect(plan).toThrow(ArgumentError);
    expect(plan).toThrow("ask for different numbers of steps (3, 2)");
    expect(() => new scheduler().setTimesteps({ numInferenceSteps: 3, sigmas: [0.9, 0.5] })).toThrow("(3, 2)");
  });

  it("refuses two spacings and unknown shifts", () => {
    expect(() => new scheduler({ useKarrasSigmas: true, useBetaSigmas: true })).toThrow(ConfigError);
    expect(() => new scheduler({ timeShiftType: "cubic" as "linear" })).toThrow(
      'time_shift_type is "cubic"; expected one of "exponential", "linear"',
    );
  });

  it("refuses an index in place of a timestep", () => {
    const made = new scheduler();
    made.setTimesteps(4);
    const sample = randn([1, 3, 4, 4], new Generator(1));
    expect(() => made.step(sample, 3, sample)).toThrow("timestep 3 is not one of the scheduler's timesteps");
  });

  it("uses the shift that was set last", () => {
    const [changed, made] = [new scheduler({ shift: 3 }), new scheduler({ shift: 3 })];
    changed.setShift(1);
    for (const each of [changed, made]) each.setTimesteps(4);
    expect([changed.shift, changed.config.shift]).toEqual([1, 3]);
    expect(changed.timesteps).not.toEqual(made.timesteps);
  });
});

describe("FlowMatchEulerDiscreteScheduler", () => {
  it("warns that timesteps alone and their sigmas do not agree", () => {
    new FlowMatchEulerDiscreteScheduler().setTimesteps({ timesteps: [900, 500] });
    expect(warnings).toEqual([expect.stringContaining("pass sigmas as well")]);
  });

  it("moves every token from its own timestep", () => {
    const scheduler = new FlowMatchEulerDiscreteScheduler({ shift: 3 });
    scheduler.setTimesteps(6);
    const options = { perTokenTimesteps: tensors["token.timesteps"] as Tensor };
    const { prevSample } = scheduler.step(
      tensors["token.output"] as Tensor,
      scheduler.timesteps[0] ?? 0,
      tensors["token.sample"] as Tensor,
      options,
    );
    expectClose(prevSample, tensors["token.result"]);
  });

  it("refuses timesteps of other tokens", () => {
    const scheduler = new FlowMatchEulerDiscreteScheduler();
    scheduler.setTimesteps(6);
    const sample = randn([2, 5, 4], new Generator(1));
    const step = () => scheduler.step(sample, scheduler.timesteps[0] ?? 0, sample, { perTokenTimesteps: Tensor.zeros([2, 4]) });
    expect(step).toThrow("perTokenTimesteps of shape [2,4] do not go with a sample of shape [2,5,4]");
  });

  it("scales noise by each row's sigma", () => {
    const scheduler = new FlowMatchEulerDiscreteScheduler({ shift: 3 });
    scheduler.setTimesteps(4);
    const noise = tensors["sa.0"] as Tensor;
    const noised = scheduler.scaleNoise(Tensor.full([2, 3, 4, 4], 1), scheduler.timesteps.slice(1, 3), concat([noise, noise]));
    expectClose(noised, tensors["euler.noised"]);
  });
});

describe("FlowMatchHeunDiscreteScheduler", () => {
  it("adds noise for the position at which the run then starts", () => {
    const scheduler = new FlowMatchHeunDiscreteScheduler({ shift: 3 });
    scheduler.setTimesteps(4);
    const noised = scheduler.scaleNoise(Tensor.full([1, 3, 4, 4], 1), [scheduler.timesteps[3] ?? 0], tensors["sa.0"] as Tensor);
    expectClose(noised, tensors["heun.noised"]);
  });

  it("adds the noise of each row's timestep, as a call for each row does", () => {
    const planned = () => {
      const scheduler = new FlowMatchHeunDiscreteScheduler({ shift: 3 });
      scheduler.setTimesteps(4);
      return scheduler;
    };
    const [sample, noise] = [Tensor.full([2, 3, 4, 4], 1), randn([2, 3, 4, 4], new Generator(1))];
    const timesteps = [1, 4].map((i) => planned().timesteps[i] as number);
    const rows = timesteps.map((t, i) => planned().scaleNoise(sample.slice(i, i + 1), [t], noise.slice(i, i + 1)));
    expect(planned().scaleNoise(sample, timesteps, noise).data).toEqual(concat(rows).data);
  });

  it("takes no custom sigmas", () => {
    expect(() => new FlowMatchHeunDiscreteScheduler().setTimesteps({ sigmas: [1, 0.5] })).toThrow("does not take custom sigmas");
  });
});

describe("FlowMatchLCMScheduler", () => {
  const walk = (scheduler: FlowMatchLCMScheduler, check: (sample: Tensor, i: number) => void) => {
    scheduler.setTimesteps(3);
    const generator = new Generator(9);
    let sample = randn([1, 3, 4, 6], generator);
    for (const [i, t] of scheduler.timesteps.entries()) {
      sample = scheduler.step(sample.map(Math.cos), t, sample, { generator }).prevSample;
      check(sample, i);
    }
  };

  it("grows latents by the scale factors", () => {
    walk(new FlowMatchLCMScheduler({ shift: 3, scaleFactors: [1.5, 2] }), (sample, i) => expectClose(sample, tensors[`lcm.${i + 1}`]));
  });

  it("takes scale factors afterwards", () => {
    const scheduler = new FlowMatchLCMScheduler({ shift: 3 });
    scheduler.setScaleFactors([1.5, 2], "bicubic");
    walk(scheduler, (sample, i) => expectClose(sample, tensors[`lcm.${i + 1}`]));
  });

  it("refuses scale factors for another number of steps", () => {
    expect(() => walk(new FlowMatchLCMScheduler({ scaleFactors: [2] }), () => {})).toThrow(
      "scale_factors has 1 numbers for 3 timesteps; expected one number less",
    );
  });
});
