import type { GenerateRequest } from "darkroom/generate";
import * as v from "valibot";
import { HttpError } from "../http-error.js";
import type { Limits, Size } from "../limits.js";
import { anything, flag, readFields, real, text, whole } from "./fields.js";
import { expectName } from "./names.js";
import { expectModule, type Module, preprocessed } from "./preprocessors.js";
import { type Fit, type Raster, readPicture, resized, toBase64 } from "./raster.js";

/** The fields of a unit that say something to us, under their names of all versions of the ControlNet extension. */
const UNIT = v.object({
  enabled: flag,
  module: text,
  model: text,
  weight: real(0, 10),
  image: anything,
  input_image: anything,
  mask: anything,
  mask_image: anything,
  effective_region_mask: anything,
  resize_mode: anything,
  control_mode: anything,
  hr_option: anything,
  inpaint_crop_input_image: flag,
  pixel_perfect: flag,
  processor_res: whole(),
  threshold_a: real(),
  threshold_b: real(),
  guidance_start: real(0, 1),
  guidance_end: real(0, 1),
});

type Unit = v.InferOutput<typeof UNIT>;

/** What the pictures of ControlNets are fitted to. */
export interface ControlPlace {
  /** What they are brought to. Where a side is missing, they stay as they are. */
  readonly size: Partial<Size>;
  /** The picture to start from, and how it is fitted in: a unit without a picture follows it. */
  readonly start?: { readonly picture: Raster; readonly fit: Fit } | undefined;
}

/** The passes of hires fix. */
export type Pass = "first" | "second";

/** A ControlNet at work. */
interface Control {
  /** Its name here. */
  readonly model: string;
  readonly weight: number;
  /** The shares of the steps at which it begins and ends to act. */
  readonly start: number;
  readonly end: number;
  readonly mode: ControlMode;
  /** The pass of hires fix in which it acts, if not in both. */
  readonly pass: Pass | "both";
  /** What it does otherwise than the web UI where only the masked part is worked on. */
  readonly maskWarnings: readonly string[];
  /** What it follows; base64. */
  readonly image: (place: ControlPlace) => Promise<string>;
}

type ControlMode = "balanced" | "prompt" | "controlnet";

/** The web UI shows 3; a list of thousands is somebody's test. */
const MOST_UNITS = 10;

// The words of each field: numbers, the web UI's texts of all versions, and the names of Python's constants.

const FITS = meanings<Fit>({
  stretch: ["0", "just resize", "resize"],
  crop: ["1", "crop and resize", "inner fit (scale to fit)", "scale to fit (inner fit)", "inner fit"],
  fill: ["2", "resize and fill", "outer fit (shrink to fit)", "envelope (outer fit)", "outer fit"],
});

const MODES = meanings<ControlMode>({
  balanced: ["0", "balanced"],
  prompt: ["1", "my prompt is more important", "prompt"],
  controlnet: ["2", "controlnet is more important", "control"],
});

const PASSES = meanings<Pass | "both">({ both: ["both"], first: ["low res only"], second: ["high res only"] });

function meanings<Meaning extends string>(words: Readonly<Record<Meaning, readonly string[]>>): ReadonlyMap<string, Meaning> {
  const entries = Object.entries<readonly string[]>(words) as [Meaning, readonly string[]][];
  return new Map(entries.flatMap(([meaning, each]) => each.map((word) => [word, meaning])));
}

/** The ControlNets of a request. */
export class Controls {
  constructor(
    private readonly controls: readonly Control[],
    readonly warnings: readonly string[],
  ) {}

  /** Whether there are none. */
  get isEmpty(): boolean {
    return this.controls.length === 0;
  }

  /** What is otherwise than in the web UI where only the masked part is worked on. */
  get maskWarnings(): string[] {
    return this.controls.flatMap(({ maskWarnings }, i) => maskWarnings.map((each) => `ControlNet ${i}: ${each}`));
  }

  /** The fields of a job's request in which they act. @throws HttpError for a unit without a picture, if there is none to start from */
  async fields(place: ControlPlace, pass?: Pass): Promise<GenerateRequest> {
    const controls = this.controls.filter((control) => pass === undefined || control.pass === "both" || control.pass === pass);
    if (controls.length === 0) return {};
    const images: string[] = [];
    for (const control of controls) images.push(await control.image(place));
    return {
      controlnet: controls.map(({ model }) => model),
      controlImage: images,
      controlnetConditioningScale: controls.map(({ weight }) => weight),
      ...(controls.some(({ start }) => start > 0) && { controlGuidanceStart: controls.map(({ start }) => start) }),
      ...(controls.some(({ end }) => end < 1) && { controlGuidanceEnd: controls.map(({ end }) => end) }),
      // The web UI's weights of the blocks in this mode are those of diffusers' guess mode, which is one for all ControlNets.
      ...(controls.every(({ mode }) => mode === "controlnet") && { guessMode: true }),
    };
  }
}

/**
 * The ControlNets in a request's units. Units that are off, or have neither model nor preprocessor, are left out.
 * @throws HttpError for a model or a preprocessor that the server does not have
 */
export async function controlsOf(args: readonly unknown[], names: readonly string[], limits: Limits): Promise<Controls> {
  const units = args.slice(0, MOST_UNITS + 1).map((each) => readFields(UNIT, each));
  const active = units.filter((unit) => unit.enabled !== false && (isNamed(unit.model) || moduleOf(unit) !== "none"));
  if (active.length > MOST_UNITS) throw invalid(`ControlNet has more than ${MOST_UNITS} units`);
  const controls: Control[] = [];
  for (const unit of active) controls.push(await controlOf(unit, names, limits));
  const isMixed = controls.some(({ mode }) => mode !== "controlnet");
  const warnings = active.flatMap((unit, i) => warningsOf(unit, isMixed).map((each) => `ControlNet ${i}: ${each}`));
  return new Controls(controls, warnings);
}

async function controlOf(unit: Unit, names: readonly string[], limits: Limits): Promise<Control> {
  const module = moduleOf(unit);
  if (!isNamed(unit.model)) throw invalid(`a ControlNet unit has the preprocessor ${module} and no model`);
  const { weight = 1, guidance_start: start = 0, guidance_end: end = 1 } = unit;
  if (start >= end) throw invalid(`a ControlNet unit has guidance_start ${start} and guidance_end ${end}; expected a start before the end`);
  return {
    model: expectName("ControlNet model", "alwayson_scripts.ControlNet.model", unit.model, names),
    weight,
    start,
    end,
    mode: wordIn(unit, "control_mode", MODES, "balanced"),
    pass: wordIn(unit, "hr_option", PASSES, "both"),
    maskWarnings: maskWarningsOf(unit, module),
    image: imageMaker(unit, module, await ownPicture(unit, limits)),
  };
}

/** Makes what a unit's ControlNet follows: the unit's picture, or the one to start from. The web UI fits each in by its own resize_mode. */
function imageMaker(unit: Unit, module: Module, own: Raster | undefined): Control["image"] {
  const ownFit = wordIn(unit, "resize_mode", FITS, "1");
  const make = async (picture: Raster, fit: Fit, { width, height }: Partial<Size>) => {
    const size = width === undefined || height === undefined ? undefined : { width, height };
    const { pixel_perfect: isPerfect, processor_res: given, threshold_a: low, threshold_b: high } = unit;
    const side = isPerfect && size ? perfectSide(picture, size, fit) : given;
    const hint = await preprocessed(picture, module, { side, low, high });
    return toBase64(size ? await resized(hint, size, fit) : hint);
  };
  // Of several pictures to start from, each needs the same again.
  const made = new Map<string, Promise<string>>();
  return async ({ size, start }) => {
    if (own) {
      const key = `${size.width}x${size.height}`;
      const image = made.get(key) ?? make(own, ownFit, size);
      made.set(key, image);
      return image;
    }
    if (start) return make(start.picture, start.fit, size);
    throw invalid("a ControlNet unit has no image");
  };
}

/** The side at which a picture's pixels are those of the picture to make: "pixel perfect", as the extension finds it. */
function perfectSide(picture: Size, size: Size, fit: Fit): number {
  const scales = [size.width / picture.width, size.height / picture.height];
  return Math.round((fit === "fill" ? Math.min(...scales) : Math.max(...scales)) * Math.min(picture.width, picture.height));
}

function moduleOf({ module = "none" }: Unit): Module {
  return expectModule(module, "alwayson_scripts.ControlNet.module");
}

/** The meaning of a field's word. @throws HttpError */
function wordIn<Meaning>(unit: Unit, field: keyof Unit, words: ReadonlyMap<string, Meaning>, usual: string): Meaning {
  const word = String(unit[field] ?? usual);
  // Clients in Python may send "ControlMode.BALANCED".
  const found = words.get(
    word
      .toLowerCase()
      .replace(/^\w+\./, "")
      .replaceAll("_", " "),
  );
  if (found !== undefined) return found;
  throw invalid(`a ControlNet unit has the ${field} ${JSON.stringify(word.slice(0, 100))}; expected ${[...words.keys()].join(", ")}`);
}

function isNamed(model: string | undefined): model is string {
  return model !== undefined && model !== "" && model.toLowerCase() !== "none";
}

/** The unit's own picture. Some versions hold it in an object, beside a mask; an empty text is none. */
async function ownPicture({ image, input_image: older }: Unit, limits: Limits): Promise<Raster | undefined> {
  const given = image ?? older;
  const inner = typeof given === "object" && given !== null && "image" in given ? given.image : given;
  if (inner === undefined || inner === null || inner === "") return undefined;
  return readPicture(inner, "alwayson_scripts.ControlNet.image", limits);
}

function warningsOf(unit: Unit, isMixed: boolean): string[] {
  const warnings: string[] = [];
  const mode = wordIn(unit, "control_mode", MODES, "balanced");
  if (mode === "prompt") warnings.push("control_mode has no effect: prompt and ControlNet are balanced");
  if (mode === "controlnet" && isMixed) {
    warnings.push("control_mode has no effect: it acts only if all units have it; prompt and ControlNet are balanced");
  }
  const isMasked = [unit.mask, unit.mask_image, unit.effective_region_mask].some(
    (each) => each !== undefined && each !== null && each !== "",
  );
  if (isMasked) warnings.push("its mask has no effect");
  return warnings;
}

function maskWarningsOf({ inpaint_crop_input_image: isCropped = true }: Unit, module: Module): string[] {
  return [
    ...(isCropped ? [] : ["inpaint_crop_input_image has no effect: its picture is cut as the picture to start from is"]),
    ...(module === "canny" ? ["canny finds edges in the whole picture, not in the masked part alone"] : []),
  ];
}

function invalid(message: string): HttpError {
  return new HttpError(400, message, { code: "invalid_controlnet", param: "alwayson_scripts.ControlNet" });
}
