import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { camelCaseKeys } from "../../src/checkpoint/config.js";
import type { JsonObject } from "../../src/checkpoint/json.js";
import * as darkroom from "../../src/index.js";
import type { StableDiffusionPipeline } from "../../src/pipelines/stable-diffusion.js";
import { DDIMScheduler } from "../../src/schedulers/ddim.js";
import { PNDMScheduler } from "../../src/schedulers/pndm.js";
import { checkpoint } from "../helpers/fixtures.js";

/** What diffusers' classes make of the schedulers below: `old_schedulers.py`. */
const EXPECTED: Readonly<Record<string, Readonly<Record<string, JsonObject>>>> = JSON.parse(
  readFileSync(new URL("../fixtures/pipelines-old-schedulers.json", import.meta.url), "utf8"),
);

const SCHEDULERS = [new DDIMScheduler({ stepsOffset: 0, clipSample: true }), new PNDMScheduler({ stepsOffset: 0, skipPrkSteps: false })];

const cpu = { device: "cpu" } as const;

async function partsOf(className: string): Promise<object> {
  if (className.includes("ControlNet"))
    return { controlnet: await darkroom.ControlNetModel.fromPretrained(checkpoint("controlnet-mini"), cpu) };
  if (className.includes("sionAdapter")) return { adapter: await darkroom.T2IAdapter.fromPretrained(checkpoint("adapter-mini"), cpu) };
  if (className !== "AnimateDiffPipeline") return {};
  return { motionAdapter: await darkroom.MotionAdapter.fromPretrained(checkpoint("options/motion-adapter"), cpu) };
}

describe("a scheduler with old settings", () => {
  it.each(Object.entries(EXPECTED))("is corrected, or not, as by diffusers' class: %s", async (className, expected) => {
    const Pipeline = (darkroom as unknown as Readonly<Record<string, typeof StableDiffusionPipeline>>)[className];
    const parts = await partsOf(className);
    for (const scheduler of SCHEDULERS) {
      await using pipe = await Pipeline?.fromPretrained(checkpoint("sd1-mini"), { ...cpu, ...parts, scheduler });
      expect(pipe?.scheduler.config).toMatchObject(camelCaseKeys(expected[scheduler.className] ?? {}));
    }
  });
});
