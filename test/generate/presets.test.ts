import { afterEach, describe, expect, it } from "vitest";
import { PRESET_NAMES, PRESETS, type Preset } from "../../src/families/presets.js";
import { applyPreset } from "../../src/generate/apply-preset.js";
import { generate } from "../../src/generate/generate.js";
import { resolveScheduler } from "../../src/schedulers/registry.js";
import { setWarningHandler } from "../../src/warnings.js";

const warnings: string[] = [];
const own = setWarningHandler((warning) => void warnings.push(String(warning)));
afterEach(() => void warnings.splice(0));

const MODEL = new URL("../checkpoints/sdxl-base-mini", import.meta.url).pathname;
const REQUEST = { model: MODEL, prompt: "a fox", seed: 1, width: 32, height: 32 } as const;

describe("presets", () => {
  it.each(PRESET_NAMES)("%s has a scheduler that takes its settings and timesteps", (name) => {
    const { scheduler, schedulerConfig, timesteps, numInferenceSteps }: Preset = PRESETS[name];
    const { class: type, overrides } = resolveScheduler(scheduler);
    const made = type.fromConfig({}, { ...overrides, ...schedulerConfig });
    made.setTimesteps(timesteps ? { timesteps } : { numInferenceSteps });
    expect(made.timesteps).toHaveLength(numInferenceSteps);
    if (timesteps) expect(made.timesteps).toEqual(timesteps);
  });

  it("set scheduler, steps and guidance", async () => {
    const { settings } = await generate({ ...REQUEST, preset: "lightning-4" });
    expect(settings).toMatchObject({ scheduler: "EulerDiscreteScheduler", numInferenceSteps: 4, guidanceScale: 0 });
    expect(settings.schedulerConfig).toMatchObject({ timestepSpacing: "trailing" });
    expect(warnings).toEqual([]);
  });

  it("set the timesteps of DMD2, and the noise of Hyper's one step", async () => {
    const { settings } = await generate({ ...REQUEST, preset: "dmd2-4" });
    expect(settings).toMatchObject({ scheduler: "LCMScheduler", numInferenceSteps: 4 });
    expect(applyPreset({ preset: "dmd2-4" }).timesteps).toEqual([999, 749, 499, 249]);
    const { pictures } = await generate({ ...REQUEST, preset: "hyper-1" });
    expect(pictures[0]?.text.parameters).toMatch(/Steps: 1, .*Eta: 1, /);
  });

  it("are beaten by what the request says", () => {
    expect(applyPreset({ preset: "dmd2-4", numInferenceSteps: 6, guidanceScale: 2 })).toEqual({
      preset: "dmd2-4",
      numInferenceSteps: 6,
      guidanceScale: 2,
      scheduler: "lcm",
      schedulerConfig: undefined,
    });
    expect(applyPreset({ preset: "hyper-1", scheduler: "euler", numInferenceSteps: undefined })).toEqual({
      preset: "hyper-1",
      scheduler: "euler",
      numInferenceSteps: 1,
      guidanceScale: 0,
    });
    expect(applyPreset({ preset: "lightning-4", timestepSpacing: "linspace" }).schedulerConfig).toEqual({ timestepSpacing: "linspace" });
  });

  it("warn if the checkpoint is of another family", async () => {
    await generate({ prompt: "a panda", preset: "lightning-2", seed: 1 });
    expect(warnings.join()).toMatch(
      /preset lightning-2 is for Stable Diffusion XL \(SDXL-Lightning's .*\); this checkpoint is Stable Diffusion 1/,
    );
  });

  it("are refused by a name that there is none for", async () => {
    await expect(generate({ prompt: "a panda", preset: "lightning-3" as never })).rejects.toThrow(
      /^preset is "lightning-3"; expected one of/,
    );
    setWarningHandler(own);
  });
});
