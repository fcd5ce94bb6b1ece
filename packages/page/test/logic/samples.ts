import type { Job, Model } from "../../src/api/types.js";

export const SD: Model = {
  name: "sd",
  state: "ready",
  family: "Stable Diffusion",
  defaults: {
    takesPrompt: true,
    starts: {
      noise: { steps: 50, guidance: 7.5 },
      image: { steps: 50, guidance: 7.5, strength: 0.8 },
      mask: { steps: 40, guidance: 7.5, strength: 1 },
    },
  },
  scheduler: "PNDMScheduler",
  size: 512,
};

export const DDPM: Model = { name: "ddpm", state: "ready", defaults: { takesPrompt: false, starts: { noise: { steps: 1000 } } }, size: 32 };

export const REFINER: Model = {
  name: "refiner",
  state: "ready",
  defaults: { takesPrompt: true, starts: { image: { steps: 50, guidance: 7.5, strength: 0.3 } } },
  size: 1024,
};

export const INPAINTING: Model = {
  name: "inpainting",
  state: "ready",
  defaults: { takesPrompt: true, starts: { mask: { steps: 50, guidance: 7.5, strength: 1 } } },
  size: 512,
};

export function job(changes: Partial<Job> = {}): Job {
  return {
    id: "job-1",
    state: "waiting",
    position: 1,
    model: "sd",
    request: { prompt: "a fox", numImagesPerPrompt: 2 },
    output: { format: "png" },
    createdAt: 1_000,
    ...changes,
  };
}

/** A job with two pictures. */
export function doneJob(changes: Partial<Job> = {}): Job {
  const picture = { bytes: 1, type: "image/png", width: 512, height: 640, parameters: "" };
  return job({
    state: "done",
    position: undefined,
    result: {
      pictures: [
        { ...picture, id: "p-0", seed: "18446744073709551615" },
        { ...picture, id: "p-1", seed: "0" },
      ],
      settings: { numInferenceSteps: 50, guidanceScale: 7.5, scheduler: "PNDMScheduler" },
      warnings: [],
      seconds: { load: 1, generate: 20 },
    },
    ...changes,
  });
}
