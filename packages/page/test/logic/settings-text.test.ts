import { expect, it } from "vitest";
import { settingsText } from "../../src/logic/settings-text.js";
import { doneJob } from "./samples.js";

it("tells what a picture was made with, in the form's words", () => {
  const done = doneJob({ endedAt: 0 });
  const settings = {
    numInferenceSteps: 30,
    guidanceScale: 0,
    strength: 0.6,
    scheduler: "EulerDiscreteScheduler",
    schedulerConfig: { numTrainTimesteps: 1000 },
    image: "data",
    maskImage: "data",
    loras: [
      { name: "ink", weight: 0.5 },
      { name: "fox", weight: 1 },
    ],
    controls: [{ model: "canny", image: "data", scale: 0.8 }],
    device: "cpu",
  };
  const job = { ...done, request: { ...done.request, scheduler: "euler-karras" }, result: done.result && { ...done.result, settings } };
  const [picture] = done.result?.pictures ?? [];
  if (!picture) throw new Error("the sample has a picture");
  const { Made: when, ...others } = settingsText(job, picture);
  expect(when).toContain("1970");
  expect(others).toEqual({
    Model: "sd",
    Seed: "18446744073709551615",
    Size: "512 × 640",
    Steps: "30",
    "Guidance scale": "0",
    Strength: "0.6",
    Scheduler: "Euler Karras",
    LoRAs: "ink (0.5), fox (1)",
    ControlNets: "canny (0.8)",
    "Started from": "a picture with a mask",
    Time: "20 s",
  });
});
