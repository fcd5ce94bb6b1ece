import { describe, expect, it } from "vitest";
import { ArgumentError, ConfigError } from "../../src/errors.js";
import { expectSettings, resolveScheduler, SCHEDULERS, schedulerFromConfig, schedulerNames } from "../../src/schedulers/registry.js";

describe("schedulers by name", () => {
  it.each([
    ["EulerDiscreteScheduler", "EulerDiscreteScheduler", {}],
    ["eulerdiscrete", "EulerDiscreteScheduler", {}],
    ["Euler a", "EulerAncestralDiscreteScheduler", {}],
    ["DPM++ 2M Karras", "DPMSolverMultistepScheduler", { useKarrasSigmas: true }],
    ["dpm++-2m-sde", "DPMSolverMultistepScheduler", { algorithmType: "sde-dpmsolver++" }],
    ["dpmpp_2m_sde", "DPMSolverMultistepScheduler", { algorithmType: "sde-dpmsolver++" }],
    ["plms", "PNDMScheduler", { skipPrkSteps: true }],
    ["UniPC", "UniPCMultistepScheduler", {}],
  ])("%s is %s", (name, className, overrides) => {
    const found = resolveScheduler(name);
    expect([found.class.className, found.overrides]).toEqual([className, overrides]);
  });

  it("names the nearest when there is none", () => {
    expect(() => resolveScheduler("eular")).toThrow(ArgumentError);
    expect(() => resolveScheduler("eular")).toThrow("did you mean euler?");
  });

  it.each(Object.entries(SCHEDULERS))("%s is registered under its own name and takes its aliases' fields", (name, entry) => {
    expect(entry.class.className).toBe(name);
    for (const overrides of Object.values(entry.aliases)) {
      for (const key of Object.keys(overrides)) expect(Object.keys(entry.class.schema.entries)).toContain(key);
    }
  });

  it("suggests names as people write them", () => {
    expect(() => resolveScheduler("score-sde-v")).toThrow("did you mean score-sde-ve?");
    expect(() => resolveScheduler("eulerdiscret")).toThrow("did you mean EulerDiscreteScheduler?");
  });

  it("gives every name once", () => {
    expect(new Set(schedulerNames()).size).toBe(schedulerNames().length);
  });
});

describe("schedulers by config", () => {
  it("takes the class from _className", () => {
    expect(schedulerFromConfig({ _className: "DDIMScheduler", clipSample: false }).config).toMatchObject({
      _className: "DDIMScheduler",
      clipSample: false,
    });
  });

  it.each(["constructor", "NoSuchScheduler", undefined])("refuses the class %s", (_className) => {
    expect(() => schedulerFromConfig({ _className })).toThrow(ConfigError);
  });
});

describe("settings of a scheduler", () => {
  const { PNDMScheduler, EDMEulerScheduler, DDIMScheduler } = SCHEDULERS;
  const refusal = (entry: typeof PNDMScheduler, settings: object) => {
    if (!entry) throw new Error("no such scheduler");
    try {
      expectSettings(entry.class, settings);
    } catch (error) {
      return error;
    }
    return undefined;
  };

  it("are accepted if the class has them and allows their values", () => {
    expect(refusal(DDIMScheduler, { predictionType: "sample", timestepSpacing: "trailing" })).toBeUndefined();
  });

  it("are refused for a value that the class does not take, with the schedulers that take it", () => {
    const error = refusal(PNDMScheduler, { predictionType: "sample" });
    expect(error).toBeInstanceOf(ArgumentError);
    expect(error).toMatchObject({
      message: 'predictionType is "sample", which PNDMScheduler does not take',
      hint: expect.stringMatching(/^leave predictionType out, or set scheduler to one that takes it: .*\bddim, ddpm\b.*\beuler\b/),
      argument: "predictionType",
    });
    expect(error).toMatchObject({ hint: expect.not.stringMatching(/pndm|euler-a\b/) });
  });

  it("are refused if the class does not have them", () => {
    const error = refusal(EDMEulerScheduler, { timestepSpacing: "trailing" });
    expect(error).toMatchObject({ message: "timestepSpacing does not apply to EDMEulerScheduler, which has no such setting" });
  });
});
