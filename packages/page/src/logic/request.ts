import type { JobRequest, LoraRequest, Model } from "../api/types.js";
import { abilitiesOf, startKind } from "./abilities.js";
import type { Fields } from "./fields.js";
import { type Size, startSize } from "./sizes.js";

/** The picture to start from, as requests have it. */
export interface StartPicture extends Size {
  readonly dataUrl: string;
  /** White where to repaint. */
  readonly maskDataUrl?: string | undefined;
}

/** A field that the server could not understand. */
export class FieldProblem extends Error {
  override readonly name = "FieldProblem";

  constructor(
    readonly param: string,
    message: string,
  ) {
    super(message);
  }
}

/** Steps without a preview in between: about ten previews for each picture. */
const PREVIEWS = 10;

/**
 * The body of POST /api/jobs for a form. Fields that the model does not have are left out, as the form does not show them.
 * @throws FieldProblem
 */
export function requestOf(
  fields: Fields,
  model: Model | undefined,
  start?: StartPicture | undefined,
  controlDataUrl?: string | undefined,
): JobRequest {
  const { takesControl, takesPrompt, takesGuidance, takesPicture, takesMask, needsPicture, needsMask, defaults } = abilitiesOf(model);
  const picture = takesPicture ? start : undefined;
  const mask = takesMask ? picture?.maskDataUrl : undefined;
  if (takesPrompt && fields.prompt.trim() === "") throw new FieldProblem("prompt", "Say what the picture shows.");
  if (needsPicture && picture === undefined) throw new FieldProblem("image", "This model needs a picture to start from.");
  if (needsMask && mask === undefined) throw new FieldProblem("maskImage", "This model repaints a part of a picture: draw a mask on it.");

  const hasControl = takesControl && fields.controlnet !== "";
  if (hasControl && controlDataUrl === undefined) throw new FieldProblem("controlImage", "Choose the picture that the ControlNet follows.");

  const steps = numberIn(fields, "numInferenceSteps");
  const kind = startKind(picture !== undefined, mask !== undefined);
  const size = picture && startSize(picture, model?.size);
  return defined({
    ...fields.others,
    model: fields.model === "" ? undefined : fields.model,
    prompt: takesPrompt ? fields.prompt : undefined,
    negativePrompt: takesPrompt && fields.negativePrompt.trim() !== "" ? fields.negativePrompt : undefined,
    ...sizeIn(fields, size),
    numInferenceSteps: steps,
    ...(takesGuidance && fields.guidanceScale.trim() !== "" && { guidanceScale: numberIn(fields, "guidanceScale") }),
    scheduler: fields.scheduler === "" ? undefined : fields.scheduler,
    seed: seedIn(fields),
    numImagesPerPrompt: numberIn(fields, "numImagesPerPrompt"),
    image: picture?.dataUrl,
    maskImage: mask,
    strength: picture && numberIn(fields, "strength"),
    loras: takesPrompt && fields.loras.length > 0 ? lorasIn(fields) : undefined,
    ...(hasControl && {
      controlnet: fields.controlnet,
      controlImage: controlDataUrl,
      // The models' own default depends on what they start from; the form says 1.
      controlnetConditioningScale: numberIn(fields, "controlnetConditioningScale") ?? 1,
    }),
    format: fields.format,
    quality: fields.format === "png" ? undefined : numberIn(fields, "quality"),
    previewEvery: Math.max(1, Math.ceil((steps ?? defaults[kind]?.steps ?? 20) / PREVIEWS)),
  });
}

/** The body of a job like another one with another seed. Pictures that it started from are not in it. */
export function againOf(job: { readonly model: string; readonly request: JobRequest; readonly output: object }, seed: number): JobRequest {
  const steps = job.request.numInferenceSteps ?? 20;
  return { ...job.request, ...job.output, model: job.model, seed, previewEvery: Math.max(1, Math.ceil(steps / PREVIEWS)) };
}

/** A random seed that is easy to read and to type. */
export function randomSeed(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
}

/** The fields that hold a number. */
export type NumberName =
  | "numInferenceSteps"
  | "guidanceScale"
  | "numImagesPerPrompt"
  | "strength"
  | "width"
  | "height"
  | "quality"
  | "controlnetConditioningScale";

function numberIn(fields: Fields, name: NumberName) {
  const text = fields[name].trim();
  if (text === "") return undefined;
  const value = Number(text);
  if (!Number.isFinite(value)) throw new FieldProblem(name, `${JSON.stringify(text)} is not a number.`);
  return value;
}

/** One side alone keeps the other at its default. */
function sizeIn(fields: Fields, start: Size | undefined): Partial<Size> {
  return { width: numberIn(fields, "width") ?? start?.width, height: numberIn(fields, "height") ?? start?.height };
}

/** Large seeds are texts: numbers would lose digits. */
function seedIn({ seed }: Fields): number | string | undefined {
  const text = seed.trim();
  if (text === "") return undefined;
  if (!/^-?\d+$/.test(text)) throw new FieldProblem("seed", "A seed is a whole number. Leave it empty for a random one.");
  return Number.isSafeInteger(Number(text)) ? Number(text) : text;
}

function lorasIn({ loras }: Fields): LoraRequest[] {
  return loras.map(({ name, weight, unetWeight }) => {
    const value = weight.trim() === "" ? 1 : Number(weight);
    if (!Number.isFinite(value)) throw new FieldProblem("loras", `The weight of ${name} is not a number.`);
    return { name, weight: value, ...(unetWeight !== undefined && { unetWeight }) };
  });
}

function defined(request: JobRequest): JobRequest {
  return Object.fromEntries(Object.entries(request).filter(([, value]) => value !== undefined));
}
