import { ArgumentError } from "../errors.js";
import { crop } from "../image/crop.js";
import { Picture } from "../image/picture.js";
import { resize } from "../image/resize.js";
import { crop as cropTensor } from "../models/tiling.js";
import type { Upscaler } from "../models/upscaler.js";
import type { Tensor } from "../tensor/tensor.js";
import { warn } from "../warnings.js";
import { enlarged, latentWay, type PixelSize } from "./enlarge.js";
import { builtInOf, HIRES_DEFAULTS, HIRES_UPSCALERS, type HiresOptions, hiresFileOf, TILED_STRENGTH } from "./hires-request.js";
import type { ModelSource } from "./model-source.js";
import { nameOf } from "./name-of.js";
import { eachStep, type Runner, type RunnerStep } from "./runner.js";
import type { ImageStart, NamedPicture } from "./start.js";
import { tiledPass, tilesOf } from "./tiled-pass.js";
import type { Job, OpenNetworks } from "./workflows/workflow.js";

/** A second pass with its defaults filled in. */
export interface HiresPass {
  /** How many times as wide and high the result is; undefined if a size is given. */
  readonly scale: number | undefined;
  /** The width that is asked for. */
  readonly width?: number | undefined;
  /** The height that is asked for. */
  readonly height?: number | undefined;
  /** Denoising steps, all of which are taken. */
  readonly steps: number;
  /** How much of the larger picture is changed, from 0 to 1. */
  readonly strength: number;
  /** How the picture of the first pass becomes larger: a name of `hires.upscaler`, or that of an upscaler's file. */
  readonly upscaler: string;
  /** Side in pixels of the tiles that are repainted one after another; undefined if the whole picture is repainted at once. */
  readonly tile?: number | undefined;
  /** Pixels that neighbouring tiles share; undefined without tiles. */
  readonly overlap?: number | undefined;
}

/**
 * The second pass of a request whose first pass has `steps` steps. `file` is the upscaler that the workflow was opened with.
 * @throws ArgumentError for an upscaler that is not open
 */
export function hiresPass(options: HiresOptions, firstSteps: number, file: ModelSource | undefined): HiresPass {
  const { steps = firstSteps, width, height, tile, upscaler } = options;
  const isSized = width !== undefined || height !== undefined;
  const size = isSized ? { scale: undefined, width, height } : { scale: options.scale ?? HIRES_DEFAULTS.scale };
  const { strength = tile === undefined ? HIRES_DEFAULTS.strength : TILED_STRENGTH } = options;
  const named = hiresFileOf(options);
  if (named !== undefined && (file === undefined || nameOf(file) !== nameOf(named))) {
    throw new ArgumentError(
      (name) =>
        `${name("hires.upscaler")} is ${named}; the workflow was opened ${file === undefined ? "without an upscaler's file" : `with ${nameOf(file)}`}`,
      { argument: "hires", hint: "openingOf(request) adds it to what is opened" },
    );
  }
  const usual = file === undefined ? HIRES_DEFAULTS.upscaler : nameOf(file);
  const builtIn = upscaler === undefined ? undefined : builtInOf(upscaler);
  if (builtIn && latentWay(builtIn) && strength > 0 && strength <= LATENT_STRENGTH) {
    warn(
      (name) =>
        `${name("hires.strength")} is ${strength}: resized latents need more than ${LATENT_STRENGTH}, or the picture is blurred; raise it, or let ${name("hires.upscaler")} be lanczos`,
    );
  }
  const tiles = tile === undefined ? {} : { tile, overlap: options.overlap ?? Math.min(HIRES_DEFAULTS.overlap, Math.floor(tile / 4)) };
  return { ...size, steps, strength, upscaler: named === undefined ? (builtIn ?? usual) : nameOf(named), ...tiles };
}

/** Resized latents are blurred; a second pass of no more strength than this leaves them so. */
const LATENT_STRENGTH = 0.5;

/** The upscaler's name in the web UI. */
export function upscalerName({ upscaler }: HiresPass): string {
  const builtIn = builtInOf(upscaler);
  return builtIn ? HIRES_UPSCALERS[builtIn] : upscaler;
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

/** How a picture becomes larger: first to a size, then what is over at the sides is cut off. */
interface Growth {
  readonly size: PixelSize;
  readonly cut: PixelSize;
}

/** How a picture becomes as large as a pass wants. Sides are multiples of `multiple`. */
export function growthOf({ width, height }: PixelSize, pass: HiresPass, multiple: number): Growth {
  const scale = pass.scale ?? Math.max((pass.width ?? 0) / width, (pass.height ?? 0) / height);
  const size = { width: largerSide(width, scale, multiple), height: largerSide(height, scale, multiple) };
  if (pass.width === undefined || pass.height === undefined) return { size, cut: size };
  return { size, cut: { width: largerSide(pass.width, 1, multiple), height: largerSide(pass.height, 1, multiple) } };
}

/** The middle of a picture. */
function middle(picture: Picture, { width, height }: PixelSize): Picture {
  if (picture.width === width && picture.height === height) return picture;
  const [left, top] = [Math.floor((picture.width - width) / 2), Math.floor((picture.height - height) / 2)];
  return crop(picture, [left, top, left + width, top + height]);
}

/** The middle of latents. */
function middleOfLatents(latents: Tensor, { width, height }: PixelSize): Tensor {
  const [, , tall = 0, wide = 0] = latents.shape;
  return tall === height && wide === width
    ? latents
    : cropTensor(latents, Math.floor((tall - height) / 2), Math.floor((wide - width) / 2), height, width);
}

/** What the second pass needs of a family's workflow. */
interface HiresContext {
  readonly networks: OpenNetworks;
  /** Whether a pipeline that starts from a picture takes all steps that it is asked for, whatever the strength is. */
  readonly takesAllSteps: boolean;
  /** The network that makes the picture larger, if the workflow was opened with one. */
  readonly upscaler: Upscaler | undefined;
}

/**
 * Makes the picture of a job, and repaints it larger. The second pass has the same seed, and ends with the picture's own size. Without
 * `first`, the job's picture takes the place of a first pass.
 */
export function hiresRunner({ networks, takesAllSteps, upscaler }: HiresContext, job: Job, first: Runner, pass: HiresPass): Runner {
  const { strength, steps, tile } = pass;
  const factor = networks.pipeline.vaeScaleFactor ?? 1;
  const asked = takesAllSteps || strength === 0 ? steps : stepsForStrength(steps, strength);
  const secondJob = (start: Omit<ImageStart, "kind">): Job => ({
    ...job,
    start: { kind: "image", ...start },
    strength,
    numInferenceSteps: asked,
    width: undefined,
    height: undefined,
    // They are for the first pass's steps.
    timesteps: undefined,
    sigmas: job.levelsOf?.(asked),
  });
  const way = builtInOf(pass.upscaler) ?? upscaler ?? HIRES_DEFAULTS.upscaler;
  const enlargeLatents = typeof way === "string" ? latentWay(way) : undefined;
  // Tiles need not begin at a latent's pixels, and so the picture can have any size.
  const multiple = tile === undefined ? factor : 1;
  const { width = factor, height = factor } = sizeOf(job, networks);
  const { tops, lefts } = tilesOf(growthOf({ width, height }, pass, multiple).cut, pass, factor);
  const tiles = tops.length * lefts.length;
  return {
    async *run(seed, signal) {
      let taken = 0;
      const ofFirst = (step: RunnerStep): RunnerStep => {
        taken = step.total;
        // A second-order scheduler takes two turns for each step.
        const turns = Math.max(Math.round(step.total / job.numInferenceSteps), 1) * tiles;
        return { ...step, total: step.total + (strength > 0 ? steps * turns : 0) };
      };
      const ofSecond = (step: RunnerStep): RunnerStep => ({ ...step, done: taken + step.done, total: taken + step.total });
      if (enlargeLatents && strength > 0) {
        const latents = yield* eachStep(latentsOf(first)(seed, signal), ofFirst);
        const [, , height = 0, width = 0] = latents.shape;
        const { size, cut } = growthOf({ width, height }, inLatents(pass, factor), 1);
        const large = middleOfLatents(enlargeLatents(latents, size.height, size.width), cut);
        const runner = await networks.runner(secondJob({ image: blank(large, factor), latents: large }));
        const firstSize = { width: width * factor, height: height * factor };
        return { ...(yield* eachStep(runner.run(seed, signal), ofSecond)), firstSize };
      }
      const { image, nsfwContentDetected } = yield* eachStep(first.run(seed, signal), ofFirst);
      const { size, cut } = growthOf(image, pass, multiple);
      const picture = middle(await enlarged(image, size, way, signal), cut);
      signal?.throwIfAborted();
      const firstSize = { width: image.width, height: image.height };
      if (strength === 0) return { image: picture, nsfwContentDetected, firstSize };
      const second =
        tile === undefined
          ? (await networks.runner(secondJob({ image: { picture, name: FIRST_PASS } }))).run(seed, signal)
          : tiledPass(networks, secondJob, picture, pass, seed, signal);
      return { ...(yield* eachStep(second, ofSecond)), firstSize };
    },
  };
}

/** The size of the first pass: what the job says, or what the network was trained on. */
function sizeOf({ width, height }: Job, { pipeline: { unet, vaeScaleFactor = 1 } }: OpenNetworks): Partial<PixelSize> {
  const [tall, wide] = unet?.sampleSize ?? [];
  return { width: width ?? (wide && wide * vaeScaleFactor), height: height ?? (tall && tall * vaeScaleFactor) };
}

/** The size of a pass in latents, each of `factor` pixels. */
function inLatents(pass: HiresPass, factor: number): HiresPass {
  const side = (length: number | undefined) => length && largerSide(length, 1, factor) / factor;
  return { ...pass, width: side(pass.width), height: side(pass.height) };
}

const FIRST_PASS = "first pass";

/** What stands for a first pass where a picture is given: the picture, in the size that the job asks for. */
export function givenPicture({ start, width, height }: Job): Runner {
  return {
    // biome-ignore lint/correctness/useYield: a run without steps
    async *run() {
      if (start.kind !== "image") throw new ArgumentError("a second pass alone starts from a picture", { argument: "image" });
      const { picture } = start.image;
      const size = { width: width ?? picture.width, height: height ?? picture.height };
      return { image: resize(picture, size.width, size.height, { resampling: "lanczos" }), nsfwContentDetected: undefined };
    },
  };
}

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
