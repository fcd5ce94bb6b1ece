import { describe, expect, it } from "vitest";
import { samplerSettings } from "../../src/generate/sampler-settings.js";
import { resolveScheduler, SCHEDULERS } from "../../src/schedulers/registry.js";

const NAMES = Object.entries(SCHEDULERS).flatMap(([className, { samplers }]) =>
  Object.entries(samplers).map(([name, fields]) => [name, className, fields] as const),
);

describe("samplerSettings", () => {
  it("names a scheduler as web UIs do", () => {
    expect(samplerSettings("EulerAncestralDiscreteScheduler")).toEqual({ Sampler: "Euler a" });
    expect(samplerSettings("DPMPP2SAncestralScheduler")).toEqual({ Sampler: "DPM++ 2S a" });
    expect(samplerSettings("DPMAdaptiveScheduler", { eta: 1 })).toEqual({ Sampler: "DPM adaptive" });
    expect(samplerSettings("DPMSolverMultistepScheduler", { algorithmType: "sde-dpmsolver++", useKarrasSigmas: true })).toEqual({
      Sampler: "DPM++ 2M SDE",
      "Schedule type": "Karras",
    });
    expect(samplerSettings("DPMSolverMultistepScheduler", { algorithmType: "dpmsolver++", solverOrder: 2 })).toEqual({
      Sampler: "DPM++ 2M",
    });
  });

  it.each(NAMES)("%s is %s with %j, and reads back", (name, className, fields) => {
    expect(samplerSettings(className, fields)).toEqual({ Sampler: name });
    const { class: type, overrides } = resolveScheduler(name);
    expect([type.className, overrides]).toEqual([className, fields]);
    expect(Object.keys(type.schema.entries)).toEqual(expect.arrayContaining(Object.keys(fields)));
  });

  it.each(Object.entries(SCHEDULERS))("%s has a name", (_, { samplers }) => {
    expect(Object.values(samplers)[0]).toEqual({});
  });

  it("has every name of AUTOMATIC1111", () => {
    const names = ["DPM++ 2M", "DPM++ SDE", "DPM++ 2M SDE", "DPM++ 2M SDE Heun", "DPM++ 2S a", "DPM++ 3M SDE", "Euler a", "Euler", "LMS"];
    const others = ["Heun", "DPM2", "DPM2 a", "DPM fast", "DPM adaptive", "Restart", "DDIM", "DDIM CFG++", "PLMS", "UniPC", "LCM"];
    expect(NAMES.map(([name]) => name)).toEqual(expect.arrayContaining([...names, ...others]));
  });
});
