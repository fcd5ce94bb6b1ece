import { schedulerNames } from "darkroom";
import { describe, expect, it } from "vitest";
import { abilitiesOf } from "../../src/logic/abilities.js";
import { examplesFor } from "../../src/logic/examples.js";
import { labelOf, schedulerChoices } from "../../src/logic/schedulers.js";
import { sizePresets, startSize } from "../../src/logic/sizes.js";
import { DDPM, INPAINTING, REFINER, SD } from "./samples.js";

describe("what a model can do", () => {
  it("decides which fields the form has", () => {
    expect(abilitiesOf(SD)).toMatchObject({
      takesPrompt: true,
      takesGuidance: true,
      takesPicture: true,
      takesMask: true,
      needsPicture: false,
    });
    expect(abilitiesOf(DDPM)).toMatchObject({ takesPrompt: false, takesGuidance: false, takesPicture: false, takesMask: false });
    expect(abilitiesOf(REFINER)).toMatchObject({ takesPicture: true, takesMask: false, needsPicture: true, needsMask: false });
    expect(abilitiesOf(INPAINTING)).toMatchObject({ takesPicture: true, takesMask: true, needsPicture: true, needsMask: true });
  });

  it("may be everything while the model is not downloaded", () => {
    const unknown = abilitiesOf({ name: "new", state: "not-downloaded" });
    expect(unknown).toMatchObject({ takesPrompt: true, takesPicture: true, takesMask: true, needsPicture: false, defaults: {} });
  });

  it("is shown by prompts of the model's own, where it has any", () => {
    expect(examplesFor({ ...SD, defaults: { takesPrompt: true, starts: {}, examplePrompts: ["a panda"] } })).toEqual(["a panda"]);
    expect(examplesFor(SD).length).toBeGreaterThan(0);
  });
});

describe("sizes", () => {
  const sizes = (side: number) => sizePresets(side).map(({ width, height }) => `${width}x${height}`);

  it("of a large model are those it was trained on", () => {
    expect(sizes(1024)).toEqual(["1024x1024", "896x1152", "832x1216", "768x1344", "1152x896", "1216x832", "1344x768"]);
  });

  it("have no more pixels than the model's square, in multiples of 8, each size once", () => {
    for (const side of [32, 64, 256, 512, 768, 1024]) {
      expect(new Set(sizes(side)).size).toBe(sizes(side).length);
      for (const { width, height } of sizePresets(side)) {
        expect([width % 8, height % 8]).toEqual([0, 0]);
        expect(width * height).toBeLessThanOrEqual(side * side);
        expect(Math.min(width, height)).toBeGreaterThan(0);
      }
    }
  });

  it("for a picture to start from are its own where the model can work with them", () => {
    expect(startSize({ width: 512, height: 768 }, 512)).toEqual({ width: 512, height: 768 });
    expect(startSize({ width: 333, height: 77 }, undefined)).toEqual({ width: 333, height: 77 });
  });

  it("for a picture that is too large, too small or uneven have its shape", () => {
    expect(startSize({ width: 4000, height: 3000 }, 64)).toEqual({ width: 72, height: 56 });
    expect(startSize({ width: 64, height: 64 }, 512)).toEqual({ width: 512, height: 512 });
    expect(startSize({ width: 500, height: 511 }, 512)).toEqual({ width: 512, height: 512 });
    expect(startSize({ width: 10_000, height: 10 }, 64)).toMatchObject({ height: 8 });
  });
});

describe("schedulers to choose", () => {
  const names = (own: string | undefined) => schedulerChoices(schedulerNames(), own).map(({ name }) => name);

  it("are those for the model's kind, and none that makes noise of pictures", () => {
    expect(names("PNDMScheduler")).toEqual(expect.arrayContaining(["ddim", "euler-a", "dpm++-2m-karras"]));
    expect(names("PNDMScheduler").filter((name) => /inverse|flow/i.test(name))).toEqual([]);
    expect(names("FlowMatchEulerDiscreteScheduler")).toEqual(["flow-euler", "flow-heun", "flow-lcm"]);
    expect(names(undefined)).toEqual(expect.arrayContaining(["ddim", "flow-euler"]));
  });

  it("are each there once, by a name for people", () => {
    const labels = schedulerChoices(schedulerNames(), "DDIMScheduler").map(({ label }) => label);
    expect(new Set(labels).size).toBe(labels.length);
    expect(labels).toEqual(expect.arrayContaining(["DPM++ 2M SDE Karras", "Euler ancestral", "DDIM", "UniPC"]));
    expect(labelOf("PNDMScheduler")).toBe("PNDM");
  });
});
