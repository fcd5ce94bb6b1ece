import * as v from "valibot";
import { HttpError } from "../http-error.js";
import type { Limits, Size } from "../limits.js";
import { edgesOf } from "./edges.js";
import { anything, flag, readFields, real, text, whole } from "./fields.js";
import { expectName } from "./names.js";
import { type Fit, inverted, type Raster, readPicture, resized, toBase64 } from "./raster.js";

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
  processor_res: whole(),
  threshold_a: real(),
  threshold_b: real(),
  guidance_start: real(),
  guidance_end: real(),
});

type Unit = v.InferOutput<typeof UNIT>;

/** A ControlNet at work. */
export interface Control {
  /** Its name here. */
  readonly model: string;
  readonly weight: number;
  /** What it follows, brought to the size of the picture to make; base64. */
  readonly image: (size: Partial<Size>) => Promise<string>;
}

/** The web UI shows 3; a list of thousands is somebody's test. */
const MOST_UNITS = 10;

/** Preprocessors that the server has. */
export const MODULES = ["none", "canny", "invert"] as const;

type Module = (typeof MODULES)[number];

/** The web UI's names of other versions. */
const MODULE_ALIASES: ReadonlyMap<string, Module> = new Map([["invert (from white bg & black line)", "invert"]]);

const FITS: ReadonlyMap<string, Fit> = new Map([
  ["0", "stretch"],
  ["just resize", "stretch"],
  ["1", "crop"],
  ["crop and resize", "crop"],
  ["inner fit (scale to fit)", "crop"],
  ["2", "fill"],
  ["resize and fill", "fill"],
  ["outer fit (shrink to fit)", "fill"],
]);

/**
 * The ControlNets in a request's units. Units that are off, or have neither model nor preprocessor, are left out.
 * @throws HttpError for a model or a preprocessor that the server does not have
 */
export async function controlsOf(
  args: readonly unknown[],
  names: readonly string[],
  limits: Limits,
): Promise<{ readonly controls: readonly Control[]; readonly warnings: readonly string[] }> {
  const units = args.slice(0, MOST_UNITS + 1).map((each) => readFields(UNIT, each));
  const active = units.filter((unit) => unit.enabled !== false && (isNamed(unit.model) || moduleOf(unit) !== "none"));
  if (active.length > MOST_UNITS) throw invalid(`ControlNet has more than ${MOST_UNITS} units`);
  const controls: Control[] = [];
  for (const unit of active) controls.push(await controlOf(unit, names, limits));
  return { controls, warnings: active.flatMap((unit, i) => warningsOf(unit).map((each) => `ControlNet ${i}: ${each}`)) };
}

async function controlOf(unit: Unit, names: readonly string[], limits: Limits): Promise<Control> {
  const module = moduleOf(unit);
  if (!isNamed(unit.model)) throw invalid(`a ControlNet unit has the preprocessor ${module} and no model`);
  const model = expectName("ControlNet model", "alwayson_scripts.ControlNet.model", unit.model, names);
  const picture = await preprocessed(await readPicture(pictureOf(unit), "alwayson_scripts.ControlNet.image", limits), module, unit);
  const fit = FITS.get(String(unit.resize_mode ?? 1).toLowerCase()) ?? "crop";
  return {
    model,
    weight: unit.weight ?? 1,
    image: async ({ width, height }) =>
      toBase64(width === undefined || height === undefined ? picture : await resized(picture, { width, height }, fit)),
  };
}

/** Edges are found at the size that is asked for, or with 512 pixels for the shorter side. */
async function preprocessed(picture: Raster, module: Module, unit: Unit): Promise<Raster> {
  if (module === "none") return picture;
  if (module === "invert") return inverted(picture);
  const { processor_res: side = -1, threshold_a: low = -1, threshold_b: high = -1 } = unit;
  // The extension's sliders go from 64 to 2048.
  const shorter = side > 0 ? Math.min(Math.max(side, 64), 2048) : 512;
  const scale = shorter / Math.min(picture.width, picture.height);
  const [width, height] = [picture.width, picture.height].map((each) => Math.min(Math.round(each * scale), 4096)) as [number, number];
  return edgesOf(await resized(picture, { width, height }), low < 0 ? 100 : low, high < 0 ? 200 : high);
}

function moduleOf({ module = "none" }: Unit): Module {
  const name = MODULE_ALIASES.get(module) ?? module.toLowerCase();
  const found = MODULES.find((each) => each === name);
  if (found) return found;
  throw new HttpError(400, `this server has no ControlNet preprocessor ${JSON.stringify(module.slice(0, 100))}`, {
    code: "module_not_found",
    param: "alwayson_scripts.ControlNet.module",
    hint: `it has ${MODULES.join(", ")}: send a picture that is prepared already, with the module none`,
  });
}

function isNamed(model: string | undefined): model is string {
  return model !== undefined && model !== "" && model.toLowerCase() !== "none";
}

/** Some versions hold the picture in an object, beside a mask. */
function pictureOf({ image, input_image: older }: Unit): unknown {
  const given = image ?? older;
  const inner = typeof given === "object" && given !== null && "image" in given ? given.image : given;
  if (inner !== undefined && inner !== null) return inner;
  throw invalid("a ControlNet unit has no image");
}

function warningsOf(unit: Unit): string[] {
  const { guidance_start: start = 0, guidance_end: end = 1, control_mode: mode = 0 } = unit;
  const warnings: string[] = [];
  if (start > 0 || end < 1) warnings.push("guidance_start and guidance_end have no effect: it acts in all steps");
  if (![0, "0", "balanced"].includes(typeof mode === "string" ? mode.toLowerCase() : (mode as number))) {
    warnings.push("control_mode has no effect: prompt and ControlNet are balanced");
  }
  const isMasked = [unit.mask, unit.mask_image, unit.effective_region_mask].some((each) => each !== undefined && each !== null);
  if (isMasked) warnings.push("its mask has no effect");
  return warnings;
}

function invalid(message: string): HttpError {
  return new HttpError(400, message, { code: "invalid_controlnet", param: "alwayson_scripts.ControlNet" });
}
