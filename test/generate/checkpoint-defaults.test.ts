import { describe, expect, it } from "vitest";
import { type CheckpointDefaults, checkpointDefaults } from "../../src/generate/checkpoint-defaults.js";
import { EMBEDDED_CHECKPOINT, embeddedCheckpointPath } from "../../src/hub/embedded.js";
import { inspect } from "../../src/inspect/inspect.js";
import { checkpoint } from "../helpers/fixtures.js";

async function defaultsOf(source: string): Promise<CheckpointDefaults | undefined> {
  const found = await inspect(source);
  return found.kind === "checkpoint" ? checkpointDefaults(found) : undefined;
}

describe("the defaults of a checkpoint", () => {
  it("are its family's, for everything that a picture can start from", async () => {
    expect(await defaultsOf(checkpoint("sd1-mini"))).toEqual({
      takesPrompt: true,
      starts: {
        noise: { steps: 50, guidance: 7.5 },
        image: { steps: 50, guidance: 7.5, strength: 0.8 },
        mask: { steps: 50, guidance: 7.5, strength: 1 },
        "controlnet-noise": { steps: 50, guidance: 7.5, control: 1 },
        "controlnet-image": { steps: 50, guidance: 7.5, strength: 0.8, control: 0.8 },
        "controlnet-mask": { steps: 50, guidance: 7.5, strength: 1, control: 0.5 },
        "adapter-noise": { steps: 50, guidance: 7.5, control: 1 },
      },
    });
  });

  it.each([
    ["x4-upscaler-mini", 4],
    ["x2-upscaler-mini", 2],
  ])("say how much larger %s makes a picture", async (name, enlarges) => {
    expect(await defaultsOf(checkpoint(name))).toEqual({ takesPrompt: true, starts: { image: { steps: 75, guidance: 9 } }, enlarges });
  });

  it("are those of its model card for the embedded checkpoint, by its name and by its path", async () => {
    for (const source of [EMBEDDED_CHECKPOINT, embeddedCheckpointPath()]) {
      expect((await defaultsOf(source))?.starts.noise).toEqual({ steps: 20, guidance: 4 });
    }
  });

  it("come with prompts to try first for the embedded checkpoint alone", async () => {
    expect((await defaultsOf(EMBEDDED_CHECKPOINT))?.examplePrompts).toContain("a red fox");
    expect((await defaultsOf(checkpoint("sd1-mini")))?.examplePrompts).toBeUndefined();
  });

  it("are for a mask alone if the network takes a masked picture", async () => {
    expect(Object.keys((await defaultsOf(checkpoint("sd1-inpaint-mini")))?.starts ?? {})).toEqual(["mask", "controlnet-mask"]);
  });

  it("are not for noise if the checkpoint is a refiner", async () => {
    expect((await defaultsOf(checkpoint("sdxl-refiner-mini")))?.starts.noise).toBeUndefined();
  });

  it("have no guidance for a checkpoint without a prompt", async () => {
    expect(await defaultsOf(checkpoint("ddpm-mini"))).toEqual({ takesPrompt: false, starts: { noise: { steps: 1000 } } });
  });
});
