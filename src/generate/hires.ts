import { ArgumentError } from "../errors.js";
import { Picture } from "../image/picture.js";
import { resize, resizeTensorBilinear } from "../image/resize.js";
import type { Tensor } from "../tensor/tensor.js";
import { HIRES_DEFAULTS, type HiresOptions, type HiresUpscaler } from "./hires-request.js";
import { eachStep, type Runner, type RunnerStep } from "./runner.js";
import type { ImageStart, NamedPicture } from "./start.js";
import type { Job, OpenNetworks } from "./workflows/workflow.js";

/** A second pass with its defaults filled in. */
export interface HiresPass {
  /** How many times as wide and high the result is. */
  readonly scale: number;
  /** Denoising steps, all of which are taken. */
  readonly steps: number;
  /** How much of the larger picture is changed, from 0 to 1. */
  readonly strength: number;
  /** How the picture of the first pass becomes larger. */
  readonly upscaler: HiresUpscaler;
}

/** The second pass of a request whose first pass has `steps` steps. */
export function hiresPass({ scale, steps, strength, upscaler }: HiresOptions, firstSteps: number): HiresPass {
  return {
    scale: scale ?? HIRES_DEFAULTS.scale,
    steps: steps ?? firstSteps,
    strength: strength ?? HIRES_DEFAULTS.strength,
    upscaler: upscaler ?? HIRES_DEFAULTS.upscaler,
  };
}

/**
 * The steps to ask for so that `steps` of them are taken: a pipeline that starts from a picture takes a share of `strength` of the steps
 * that it is asked for; hires fix takes all.
 */
export function stepsForStrength(steps: number, strength: number): number {
  const most = Math.min(strength, 1);
  let asked = Math.ceil(steps / most);
  // Where a product that should be whole is a little less.
  while (Math.floor(asked * most) < steps) asked++;
  return asked;
}

/** A side of the larger picture: the nearest multiple of `multiple`, at least one. */
export function largerSide(side: number, scale: number, multiple: number): number {
  return Math.max(Math.round((side * scale) / multiple), 1) * multiple;
}

/** What the second pass needs of a family's workflow. */
interface HiresContext {
  readonly networks: OpenNetworks;
  /** Whether a pipeline that starts from a picture takes all steps that it is asked for, whatever the strength is. */
  readonly takesAllSteps: boolean;
}

/** Makes the picture of a job, and repaints it larger. The second pass has the same seed, and ends with the picture's own size. */
export function hiresRunner({ networks, takesAllSteps }: HiresContext, job: Job, first: Runner, pass: HiresPass): Runner {
  const { scale, strength, steps } = pass;
  const factor = networks.pipeline.vaeScaleFactor ?? 1;
  const secondJob = (start: Omit<ImageStart, "kind">): Job => ({
    ...job,
    start: { kind: "image", ...start },
    strength,
    numInferenceSteps: takesAllSteps ? steps : stepsForStrength(steps, strength),
    width: undefined,
    height: undefined,
    // They are for the first pass's steps.
    timesteps: undefined,
    sigmas: undefined,
  });
  return {
    async *run(seed, signal) {
      let taken = 0;
      const ofFirst = (step: RunnerStep): RunnerStep => {
        taken = step.total;
        // A second-order scheduler takes two turns for each step.
        const turns = Math.max(Math.round(step.total / job.numInferenceSteps), 1);
        return { ...step, total: step.total + (strength > 0 ? steps * turns : 0) };
      };
      const ofSecond = (step: RunnerStep): RunnerStep => ({ ...step, done: taken + step.done, total: taken + step.total });
      if (pass.upscaler === "latent" && strength > 0) {
        const latents = yield* eachStep(latentsOf(first)(seed, signal), ofFirst);
        const [, , height = 0, width = 0] = latents.shape;
        const large = resizeTensorBilinear(latents, Math.round(height * scale), Math.round(width * scale));
        const runner = await networks.runner(secondJob({ image: blank(large, factor), latents: large }));
        return yield* eachStep(runner.run(seed, signal), ofSecond);
      }
      const { image, nsfwContentDetected } = yield* eachStep(first.run(seed, signal), ofFirst);
      const picture = resize(image, largerSide(image.width, scale, factor), largerSide(image.height, scale, factor), {
        resampling: "lanczos",
      });
      if (strength === 0) return { image: picture, nsfwContentDetected };
      const runner = await networks.runner(secondJob({ image: { picture, name: FIRST_PASS } }));
      return yield* eachStep(runner.run(seed, signal), ofSecond);
    },
  };
}

const FIRST_PASS = "first pass";

/** The picture that stands for latents: only its size is used. */
function blank({ shape: [, , height = 0, width = 0] }: Tensor, factor: number): NamedPicture {
  const [wide, high] = [width * factor, height * factor];
  return { picture: new Picture(wide, high, new Uint8Array(wide * high * 3)), name: FIRST_PASS };
}

function latentsOf({ latents }: Runner): NonNullable<Runner["latents"]> {
  if (latents) return latents;
  throw new ArgumentError((name) => `${name("hires.upscaler")} is latent, and a run with ${name("refiner")} ends without latents`, {
    argument: "hires",
    hint: (name) => `leave ${name("refiner")} out, or let ${name("hires.upscaler")} be lanczos`,
  });
}
