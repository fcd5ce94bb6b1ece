import "../../src/hub/open-checkpoint.js";
import { describe, expect, it } from "vitest";
import { ArgumentError, ConfigError } from "../../src/errors.js";
import { DDIMScheduler } from "../../src/schedulers/ddim.js";
import { DPMSolverMultistepScheduler } from "../../src/schedulers/dpm-solver-multistep.js";
import { EulerAncestralDiscreteScheduler } from "../../src/schedulers/euler-ancestral-discrete.js";
import { EulerDiscreteScheduler } from "../../src/schedulers/euler-discrete.js";
import { FlowMatchEulerDiscreteScheduler } from "../../src/schedulers/flow-match-euler-discrete.js";
import { PNDMScheduler } from "../../src/schedulers/pndm.js";
import { UniPCMultistepScheduler } from "../../src/schedulers/unipc-multistep.js";
import { Generator, randn } from "../../src/tensor/random.js";
import { temporaryFolder } from "../helpers/temporary.js";
import { collectWarnings } from "../helpers/warnings.js";

const checkpoints = new URL("../checkpoints", import.meta.url).pathname;
const stableDiffusion = { betaStart: 0.00085, betaEnd: 0.012, betaSchedule: "scaled_linear" } as const;

describe("a scheduler's config", () => {
  it("names the field, the value and what is allowed, in the config file's spelling", () => {
    const make = () => new PNDMScheduler({ betaSchedule: "foo" as "linear" });
    expect(make).toThrow(ConfigError);
    expect(make).toThrow('PNDMScheduler: beta_schedule is "foo"; expected one of "linear", "scaled_linear", "squaredcos_cap_v2"');
  });

  it("refuses a number that is not whole", () => {
    expect(() => new DDIMScheduler({ numTrainTimesteps: 10.5 })).toThrow(
      "DDIMScheduler: num_train_timesteps is 10.5; expected a whole number",
    );
  });

  it("refuses a field the class does not have", () => {
    expect(() => new PNDMScheduler({ useKarrasSigmas: true } as object)).toThrow("PNDMScheduler has no field use_karras_sigmas");
  });

  it.each([Number.NEGATIVE_INFINITY, "-inf", "-Infinity", null])("reads lambda_min_clipped %s as minus infinity", (lambdaMinClipped) => {
    expect(DPMSolverMultistepScheduler.fromConfig({ lambdaMinClipped }).config.lambdaMinClipped).toBe(Number.NEGATIVE_INFINITY);
  });

  it("cannot be changed afterwards", () => {
    expect(Object.isFrozen(new DDIMScheduler().config)).toBe(true);
  });
});

describe("fromConfig across classes", () => {
  it("takes over what was set", () => {
    const pndm = new PNDMScheduler({ ...stableDiffusion, stepsOffset: 1 });
    expect(EulerDiscreteScheduler.fromConfig(pndm.config).config).toMatchObject({ ...stableDiffusion, stepsOffset: 1 });
  });

  it("uses its own default for fields that were not set", () => {
    // PNDM's default is "leading", Euler's "linspace".
    const euler = EulerDiscreteScheduler.fromConfig(new PNDMScheduler().config);
    expect(euler.config.timestepSpacing).toBe("linspace");
  });

  it("keeps the fields of a config file, even if they have the other class's defaults", () => {
    const euler = EulerDiscreteScheduler.fromConfig({ _className: "PNDMScheduler", timestepSpacing: "leading" });
    expect(euler.config.timestepSpacing).toBe("leading");
  });

  it("restores the other class's fields on the way back", () => {
    const pndm = new PNDMScheduler({ skipPrkSteps: true });
    const there = DPMSolverMultistepScheduler.fromConfig(pndm.config);
    expect(there.config._className).toBe("DPMSolverMultistepScheduler");
    expect(PNDMScheduler.fromConfig(there.config).config.skipPrkSteps).toBe(true);
  });

  it("lets overrides win, also over fields left at their default", () => {
    const { config } = EulerDiscreteScheduler.fromConfig(new EulerDiscreteScheduler().config, { useKarrasSigmas: true });
    expect(config.useKarrasSigmas).toBe(true);
    expect(config._useDefaultValues).not.toContain("useKarrasSigmas");
  });

  it("warns of an override the class does not have", () => {
    const warnings = collectWarnings();
    DDIMScheduler.fromConfig({}, { useKarrasSigmas: true });
    expect(warnings).toEqual(["DDIMScheduler has no use_karras_sigmas; ignored"]);
  });

  it("turns another solver's type into its own default", () => {
    expect(DPMSolverMultistepScheduler.fromConfig({ solverType: "bh1" }).config.solverType).toBe("midpoint");
    expect(UniPCMultistepScheduler.fromConfig({ solverType: "heun" }).config.solverType).toBe("bh2");
  });
});

describe("fromPretrained", () => {
  it("reads a scheduler_config.json that another class wrote", async () => {
    const scheduler = await UniPCMultistepScheduler.fromPretrained(checkpoints, { subfolder: "sd1-mini/scheduler" });
    expect(scheduler.config).toMatchObject({
      ...stableDiffusion,
      _className: "UniPCMultistepScheduler",
      timestepSpacing: "leading",
      stepsOffset: 1,
    });
  });

  it("reads the bare -Infinity that Python writes", async () => {
    const folder = temporaryFolder({
      "scheduler_config.json": '{"_class_name": "DPMSolverMultistepScheduler", "lambda_min_clipped": -Infinity}',
    });
    const scheduler = await DPMSolverMultistepScheduler.fromPretrained(folder);
    expect(scheduler.config.lambdaMinClipped).toBe(Number.NEGATIVE_INFINITY);
  });
});

describe("what diffusers refuses", () => {
  it.each([EulerDiscreteScheduler, DPMSolverMultistepScheduler, UniPCMultistepScheduler])("two sigma spacings at once: %o", (scheduler) => {
    expect(() => new scheduler({ useKarrasSigmas: true, useBetaSigmas: true })).toThrow(
      "only one of use_karras_sigmas, use_beta_sigmas can be used",
    );
  });

  it("DPM-Solver without ++ down to no noise", () => {
    expect(() => new DPMSolverMultistepScheduler({ algorithmType: "dpmsolver" })).toThrow(
      'final_sigmas_type "zero" does not go with algorithm_type "dpmsolver"',
    );
  });

  it("an unknown solver type", () => {
    expect(() => new DPMSolverMultistepScheduler({ solverType: "rk4" as "heun" })).toThrow(
      'solver_type is "rk4"; expected one of "midpoint", "heun"',
    );
  });

  it("a third order that the SDE does not have", () => {
    const scheduler = new DPMSolverMultistepScheduler({ algorithmType: "sde-dpmsolver", finalSigmasType: "sigma_min", solverOrder: 3 });
    expect(() => scheduler.setTimesteps(20)).toThrow("has no third order");
  });

  it("a scheduler as UniPC's predictor", () => {
    expect(() => new UniPCMultistepScheduler({ solverP: {} as unknown as null })).toThrow("solver_p");
  });

  it("shift_terminal without flow sigmas", () => {
    expect(() => new UniPCMultistepScheduler({ shiftTerminal: 0.1 })).toThrow("shift_terminal needs use_flow_sigmas");
  });

  it("one step with shift_terminal, whose only sigma is 1", () => {
    const flow = new FlowMatchEulerDiscreteScheduler({ shiftTerminal: 0.02 });
    expect(() => flow.setTimesteps(1)).toThrow("with 1 step(s) the last sigma is 1, which cannot become shift_terminal, 0.02");
    flow.setTimesteps(2);
    expect(Math.min(...flow.timesteps)).toBeCloseTo(20);
    const multistep = new UniPCMultistepScheduler({ useFlowSigmas: true, predictionType: "flow_prediction", shiftTerminal: 0.02 });
    expect(() => multistep.setTimesteps(2)).not.toThrow();
  });

  it("dynamic shifting without mu", () => {
    expect(() => new UniPCMultistepScheduler({ useFlowSigmas: true, useDynamicShifting: true }).setTimesteps(10)).toThrow("needs mu");
  });

  it.each([0, -1, 1.5, Number.NaN])("%s steps", (steps) => {
    expect(() => new EulerDiscreteScheduler().setTimesteps(steps)).toThrow(ArgumentError);
  });

  it("more DDIM steps than the model was trained with", () => {
    expect(() => new DDIMScheduler({ numTrainTimesteps: 50 }).setTimesteps(51)).toThrow("trained with only 50 timesteps");
  });

  it("custom timesteps and sigmas at once", () => {
    expect(() => new EulerDiscreteScheduler().setTimesteps({ timesteps: [999], sigmas: [14, 0] })).toThrow("only one of");
  });

  it("custom timesteps together with a named spacing", () => {
    expect(() => new EulerDiscreteScheduler({ useKarrasSigmas: true }).setTimesteps({ timesteps: [999] })).toThrow(
      "custom timesteps cannot be used",
    );
  });

  it.each([DDIMScheduler, PNDMScheduler, EulerAncestralDiscreteScheduler])(
    "custom timesteps of a class that takes none: %o",
    (scheduler) => {
      expect(() => new scheduler().setTimesteps({ timesteps: [999, 500] })).toThrow("does not take custom timesteps");
    },
  );

  it("fewer steps than PNDM's warm-up needs", () => {
    expect(() => new PNDMScheduler().setTimesteps(3)).toThrow("needs at least 4 steps");
  });

  it("a step before setTimesteps", () => {
    const sample = randn([1, 3, 2, 2], new Generator(0));
    expect(() => new DDIMScheduler().step(sample, 999, sample)).toThrow("call setTimesteps before step");
  });

  it("a timestep past those of training", () => {
    const scheduler = new PNDMScheduler({ skipPrkSteps: true, stepsOffset: 1 });
    scheduler.setTimesteps(1000);
    const sample = randn([1, 3, 2, 2], new Generator(0));
    expect(() => scheduler.step(sample, scheduler.timesteps[0] ?? 0, sample)).toThrow(
      "timestep 1000 is not one of the 1000 training timesteps",
    );
  });
});

describe("noise in a step", () => {
  it("is drawn image by image from a list of generators", () => {
    const scheduler = new EulerAncestralDiscreteScheduler();
    const single = new EulerAncestralDiscreteScheduler();
    const sample = randn([2, 3, 4, 4], new Generator(3));
    scheduler.setTimesteps(5);
    single.setTimesteps(5);
    const [t = 0] = scheduler.timesteps;
    const both = scheduler.step(sample, t, sample, { generator: [new Generator(1), new Generator(2)] }).prevSample;
    const second = single.step(sample.slice(1, 2), t, sample.slice(1, 2), { generator: new Generator(2) }).prevSample;
    expect(both.slice(1, 2).toArray()).toEqual(second.toArray());
  });

  it("can be given instead of a generator", () => {
    const sample = randn([1, 3, 4, 4], new Generator(3));
    const noise = randn([1, 3, 4, 4], new Generator(4));
    const step = (options: object) => {
      const scheduler = new DPMSolverMultistepScheduler({ algorithmType: "sde-dpmsolver++" });
      scheduler.setTimesteps(5);
      return scheduler.step(sample, scheduler.timesteps[0] ?? 0, sample, options).prevSample.toArray();
    };
    expect(step({ varianceNoise: noise })).toEqual(step({ generator: new Generator(4) }));
  });

  it("cannot be given twice: DDIM refuses a generator beside it", () => {
    const scheduler = new DDIMScheduler();
    scheduler.setTimesteps(5);
    const sample = randn([1, 3, 4, 4], new Generator(3));
    expect(() => scheduler.step(sample, 800, sample, { eta: 1, generator: new Generator(0), varianceNoise: sample })).toThrow("not both");
  });
});

describe("starting in the middle", () => {
  it("steps from setBeginIndex on", () => {
    const sample = randn([1, 3, 4, 4], new Generator(3));
    const output = randn([1, 3, 4, 4], new Generator(4));
    const begun = new EulerDiscreteScheduler();
    begun.setTimesteps(10);
    begun.setBeginIndex(4);
    const found = new EulerDiscreteScheduler();
    found.setTimesteps(10);
    const t = found.timesteps[4] ?? 0;
    expect(begun.step(output, t, sample).prevSample.toArray()).toEqual(found.step(output, t, sample).prevSample.toArray());
  });

  it("adds noise for that position, at any timestep", () => {
    const original = randn([1, 3, 4, 4], new Generator(3));
    const noise = randn([1, 3, 4, 4], new Generator(4));
    const scheduler = new EulerDiscreteScheduler();
    scheduler.setTimesteps(10);
    const expected = scheduler.addNoise(original, noise, [scheduler.timesteps[4] ?? 0]).toArray();
    scheduler.setBeginIndex(4);
    expect(scheduler.addNoise(original, noise, [123]).toArray()).toEqual(expected);
  });

  it("cuts the learned variance off the model output", () => {
    const scheduler = new DPMSolverMultistepScheduler({ varianceType: "learned_range" });
    const plain = new DPMSolverMultistepScheduler();
    for (const each of [scheduler, plain]) each.setTimesteps(5);
    const output = randn([1, 6, 4, 4], new Generator(4));
    const sample = randn([1, 3, 4, 4], new Generator(3));
    const [t = 0] = plain.timesteps;
    const mean = output.reshape([6, 4, 4]).slice(0, 3).reshape([1, 3, 4, 4]);
    expect(scheduler.step(output, t, sample).prevSample.toArray()).toEqual(plain.step(mean, t, sample).prevSample.toArray());
  });
});
