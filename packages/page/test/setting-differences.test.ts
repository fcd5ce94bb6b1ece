import { expect, it } from "vitest";
import { settingDifferences } from "../src/setting-differences.js";

it("lists the settings that differ, as texts", () => {
  const left = { prompt: "a fox", steps: 20, seed: "7", loras: [{ name: "ink", weight: 0.5 }] };
  const right = { prompt: "a fox", steps: 30, loras: [{ name: "ink", weight: 1 }], negativePrompt: "blurry" };
  expect(settingDifferences(left, right)).toEqual([
    { name: "steps", left: "20", right: "30" },
    { name: "seed", left: "7", right: "–" },
    { name: "loras", left: "name: ink, weight: 0.5", right: "name: ink, weight: 1" },
    { name: "negativePrompt", left: "–", right: "blurry" },
  ]);
});

it("takes an empty setting for none", () => {
  expect(settingDifferences({ negativePrompt: "", loras: [] }, {})).toEqual([]);
});
