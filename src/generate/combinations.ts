import { ArgumentError } from "../errors.js";
import type { Mention, Spelling, Wording } from "../wording.js";
import { latentWay } from "./enlarge.js";
import { builtInOf } from "./hires-request.js";
import type { ImagePromptMasks, ImagePromptPictures } from "./image-prompt-request.js";
import { listOf } from "./list-of.js";
import type { GenerateRequest } from "./request.js";

type OptionName = keyof GenerateRequest;

/** Options with one value for all pictures that steer, or a list with one for each. */
const PER_CONTROL = [
  ...(["controlnetConditioningScale", "controlGuidanceStart", "controlGuidanceEnd"] as const),
  ...(["controlMode", "controlPreprocessor", "controlResizeMode"] as const),
] as const;

/** Options that need another: the option, the one it needs, why, and what to add. */
const NEEDS: readonly (readonly [option: OptionName, needed: OptionName, why: string, add: (name: Spelling) => string])[] = [
  ["config", "model", "it describes the networks of that file", adding("model", { value: "model.safetensors" })],
  ["revision", "model", "it is a branch, tag or commit of that model on the hub", adding("model", { value: "OWNER/NAME" })],
  ["strength", "image", "it says how much of that picture to change", addingPicture("image", "in.png")],
  ["depthMap", "image", "it is the depth of that picture", addingPicture("image", "in.png")],
  ["maskImage", "image", "it marks the part of that picture to repaint", addingPicture("image", "in.png")],
  ["paddingMaskCrop", "maskImage", "it is a margin around the masked part", addingPicture("maskImage", "mask.png")],
  ["controlImage", "controlnet", "it is the network that follows this picture", (name) => `add ${name("controlnet")} and a ControlNet`],
  ...([...PER_CONTROL, "guessMode"] as const).map(
    (option) =>
      [option, "controlnet", "it says how that network acts", (name: Spelling) => `add ${name("controlnet")} and a ControlNet`] as const,
  ),
  ...(["ipAdapterImage", "ipAdapterMasks", "ipAdapterScale"] as const).map(
    (option) =>
      [
        option,
        "ipAdapters",
        "pictures act beside the prompt through an IP-Adapter",
        (name: Spelling) => `add ${name("ipAdapters")}`,
      ] as const,
  ),
  ...(["skipLayerGuidanceScale", "skipLayerGuidanceStart", "skipLayerGuidanceStop"] as const).map(
    (option) =>
      [
        option,
        "skipGuidanceLayers",
        "it is about the guidance by these blocks",
        adding("skipGuidanceLayers", { value: "7,8,9", code: "skipGuidanceLayers: [7, 8, 9]" }),
      ] as const,
  ),
  ["denoisingEnd", "refiner", "it says when the refiner takes over", (name) => `add ${name("refiner")} and a refiner`],
];

/** Options that exclude each other: why, and what to do. */
const EXCLUSIONS: readonly (readonly [option: OptionName, other: OptionName, why: string, instead: Wording])[] = [
  [
    "maskImage",
    "refiner",
    "the refiner cannot restore the part outside the mask",
    (name) =>
      `repaint first; then refine the result: ${name("model", { value: "REFINER" })} ${name("image", pictureIn("image", "result.png"))} ${name("strength", { value: 0.3 })}`,
  ],
  ["maskImage", "depthMap", "no pipeline takes both", (name) => `leave ${name("maskImage")} or ${name("depthMap")} out`],
  ...(["timesteps", "sigmas", "timestepSpacing"] as const).map(
    (other) => ["schedule", other, "both say which noise levels the steps have", (name: Spelling) => `leave ${name(other)} out`] as const,
  ),
  ...(["maskImage", "depthMap"] as const).map(
    (other) => ["hires", other, "its second pass repaints the whole picture", (name: Spelling) => `leave ${name(other)} out`] as const,
  ),
];

/** Options about a first pass. Where a picture is given, hires has none. */
const OF_FIRST_PASS = ["strength", "timesteps", "sigmas"] as const;

/**
 * Checks that options go together. `isPlanned` says that the request is a whole one: it must use the ControlNets that it loads.
 * @throws ArgumentError for options that make no sense together, or one without another.
 */
export function checkCombinations(request: GenerateRequest, { isPlanned }: { readonly isPlanned: boolean }): void {
  const isGiven = (name: OptionName) => request[name] !== undefined;
  for (const [option, needed, why, add] of NEEDS) if (isGiven(option) && !isGiven(needed)) throw missing(option, needed, why, add);
  for (const [option, other, why, instead] of EXCLUSIONS) {
    if (!isGiven(option) || !isGiven(other)) continue;
    throw new ArgumentError((name) => `${name(option)} and ${name(other)} cannot be combined: ${why}`, { argument: option, hint: instead });
  }
  checkHires(request, isPlanned);
  checkGuidances(request);
  checkClasses(request);
  checkControls(request, isPlanned);
  checkImagePrompts(request);
  if (isPlanned) expectImagePrompts(request);
}

/** @throws ArgumentError for a second pass whose options do not go together, or that a given picture cannot have. */
function checkHires({ hires, image, ...others }: GenerateRequest, isPlanned: boolean): void {
  if (!hires) {
    if (others.hiresUpscaler === undefined || !isPlanned) return;
    throw missing("hiresUpscaler", "hires", "it is for the second pass", adding("hires", { value: 2, code: "hires: { scale: 2 }" }));
  }
  const { scale, width, height, tile, overlap, upscaler = "" } = hires;
  const builtIn = builtInOf(upscaler);
  const isLatent = builtIn !== undefined && latentWay(builtIn) !== undefined;
  const wrong = (message: Wording, hint: Wording) => new ArgumentError(message, { argument: "hires", hint });
  if (scale !== undefined && (width !== undefined || height !== undefined)) {
    const side = width === undefined ? "hires.height" : "hires.width";
    throw wrong(
      (name) => `${name("hires.scale")} and ${name(side)} cannot be combined: both say how large the result is`,
      "leave one of them out",
    );
  }
  if (overlap !== undefined && tile === undefined) {
    throw wrong(
      (name) => `${name("hires.overlap")} needs ${name("hires.tile")}: it is what tiles share`,
      (name) => `add ${name("hires.tile", { value: 512 })}`,
    );
  }
  if (overlap !== undefined && tile !== undefined && overlap >= tile) {
    throw wrong(
      (name) => `${name("hires.overlap")} is ${overlap}, and ${name("hires.tile")} ${tile}; the overlap must be smaller`,
      (name) => `lower ${name("hires.overlap")}`,
    );
  }
  if (isLatent && tile !== undefined) {
    throw wrong(
      (name) => `${name("hires.upscaler")} is ${upscaler}, and ${name("hires.tile")} cuts pictures, not latents`,
      (name) => `let ${name("hires.upscaler")} be lanczos or a file`,
    );
  }
  if (image === undefined) return;
  if (isLatent) {
    throw wrong(
      (name) => `${name("hires.upscaler")} is ${upscaler}, and with ${name("image")} there is no first pass that ends with latents`,
      (name) => `let ${name("hires.upscaler")} be lanczos or a file`,
    );
  }
  const option = OF_FIRST_PASS.find((each) => others[each] !== undefined);
  if (option === undefined) return;
  throw new ArgumentError(
    (name) => `${name(option)} has no effect with ${name("hires")} and ${name("image")}: the picture takes the place of a first pass`,
    {
      argument: option,
      hint: (name) => (option === "strength" ? `give ${name("hires.strength")}` : `give ${name("hires.steps")}`),
    },
  );
}

/** @throws ArgumentError for a list of guidance scales that two passes with other numbers of steps would share. */
function checkGuidances({ guidanceScale, refiner, hires }: GenerateRequest): void {
  if (typeof guidanceScale !== "object") return;
  const steps = hires?.steps ?? guidanceScale.length;
  if (refiner === undefined && steps === guidanceScale.length) return;
  throw new ArgumentError(
    (name) =>
      refiner === undefined
        ? `${name("guidanceScale")} is a list of ${guidanceScale.length}, and ${name("hires.steps")} is ${steps}; expected one number for each step of both passes`
        : `${name("guidanceScale")} is a list, and the base and its ${name("refiner")} share the steps`,
    { argument: "guidanceScale", hint: "give one number for all steps" },
  );
}

/** @throws ArgumentError for a list of classes with another length than there are pictures. */
function checkClasses({ classLabels, numImagesPerPrompt = 1 }: GenerateRequest): void {
  if (typeof classLabels !== "object" || classLabels.length === numImagesPerPrompt) return;
  throw new ArgumentError(
    (name) =>
      `${name("classLabels")} is a list of ${classLabels.length}, and ${name("numImagesPerPrompt")} is ${numImagesPerPrompt}; expected one class for each picture`,
    { argument: "classLabels", hint: "one number is for all pictures" },
  );
}

/** @throws ArgumentError for a run without pictures for the IP-Adapters that are loaded. */
export function expectImagePrompts(request: GenerateRequest): void {
  if (listOf(request.ipAdapters).length === 0 || request.ipAdapterImage !== undefined) return;
  throw missing(
    "ipAdapters",
    "ipAdapterImage",
    "it is the picture that acts beside the prompt",
    addingPicture("ipAdapterImage", "style.png"),
  );
}

/** @throws ArgumentError for other numbers of pictures, masks or scales than of IP-Adapters. */
function checkImagePrompts(request: GenerateRequest): void {
  const adapters = listOf(request.ipAdapters).length;
  const [images, scales] = [listOf<unknown>(request.ipAdapterImage).length, listOf(request.ipAdapterScale).length];
  if (images > 0 && images !== adapters) {
    throw new ArgumentError(
      (name) => `${count(adapters)} given for ${name("ipAdapters")} and ${images} for ${name("ipAdapterImage")}; expected one for each`,
      { argument: "ipAdapterImage", hint: "in a program, several pictures of one IP-Adapter are a list in the list: [[a, b]]" },
    );
  }
  if (request.ipAdapterMasks !== undefined) checkMasks(request, adapters);
  if (scales <= 1 || scales === adapters) return;
  throw new ArgumentError(
    (name) =>
      `${count(scales)} given for ${name("ipAdapterScale")} and ${adapters} for ${name("ipAdapters")}; expected one for all, or one for each`,
    { argument: "ipAdapterScale" },
  );
}

/** @throws ArgumentError unless each IP-Adapter has a mask for each of its pictures, or none. */
function checkMasks({ ipAdapterImage, ipAdapterMasks }: GenerateRequest, adapters: number): void {
  const masks = listOf<ImagePromptMasks>(ipAdapterMasks);
  if (masks.length !== adapters) {
    throw new ArgumentError(
      (name) =>
        `${count(masks.length)} given for ${name("ipAdapterMasks")} and ${adapters} for ${name("ipAdapters")}; expected masks, or null, for each`,
      { argument: "ipAdapterMasks" },
    );
  }
  const pictures = listOf<ImagePromptPictures>(ipAdapterImage);
  const wrong = masks.findIndex((each, i) => each !== null && pictures[i] !== undefined && sizeOf(each) !== sizeOf(pictures[i]));
  if (wrong === -1) return;
  const [found, wanted] = [sizeOf(masks[wrong]), sizeOf(pictures[wrong])];
  throw new ArgumentError(
    (name) =>
      `IP-Adapter ${wrong} has ${found} ${name("ipAdapterMasks")} for ${wanted} ${name("ipAdapterImage")}; expected one for each picture`,
    { argument: "ipAdapterMasks", hint: "a white mask lets its picture act everywhere" },
  );
}

function sizeOf(pictures: ImagePromptMasks | undefined): number {
  return listOf<unknown>(pictures).length;
}

function checkControls(request: GenerateRequest, isPlanned: boolean): void {
  const [nets, images] = [listOf(request.controlnet).length, listOf(request.controlImage).length];
  if (images === 0 && nets > 0 && isPlanned) {
    throw missing(
      "controlnet",
      "controlImage",
      "it is the picture that the ControlNet follows",
      addingPicture("controlImage", "edges.png"),
    );
  }
  // One ControlNet Union follows several pictures, each with its type.
  const isUnion = nets === 1 && request.controlMode !== undefined;
  if (images > 0 && images !== nets && !isUnion) {
    throw new ArgumentError(
      (name) =>
        `${count(nets)} given for ${name("controlnet")} and ${images} for ${name("controlImage")}; expected a picture for each ControlNet`,
      {
        argument: "controlImage",
        hint: "pairs go in order: the first picture is for the first ControlNet",
      },
    );
  }
  for (const option of PER_CONTROL) {
    const values = listOf<unknown>(request[option]).length;
    const wanted = isUnion ? images : nets;
    // Each picture has a type of its own.
    if (values === wanted || (values <= 1 && !(option === "controlMode" && values === 1 && wanted > 1))) continue;
    const other = isUnion ? "controlImage" : "controlnet";
    throw new ArgumentError(
      (name) =>
        `${count(values)} given for ${name(option)} and ${wanted} for ${name(other)}; expected ${option === "controlMode" ? "" : "one for all, or "}one for each`,
      { argument: option },
    );
  }
  if (nets > 0 && request.image !== undefined && request.refiner !== undefined) {
    throw new ArgumentError(
      (name) =>
        `${name("controlnet")}, ${name("image")} and ${name("refiner")} cannot be combined: as in diffusers, such a run has no end for the refiner to continue from`,
      { argument: "refiner", hint: "leave out one of the three" },
    );
  }
}

function missing(option: OptionName, needed: OptionName, why: string, hint: Wording): ArgumentError {
  return new ArgumentError((name) => `${name(option)} needs ${name(needed)}: ${why}`, { argument: option, hint });
}

function adding(option: OptionName, mention: Mention): (name: Spelling) => string {
  return (name) => `add ${name(option, mention)}`;
}

function addingPicture(option: OptionName, file: string): (name: Spelling) => string {
  return adding(option, pictureIn(option, file));
}

function pictureIn(option: OptionName, file: string): Mention {
  return { value: file, code: `${option}: (the bytes of ${file})` };
}

/** `1 was`, `2 were`. */
function count(values: number): string {
  return values === 1 ? "1 was" : `${values} were`;
}
