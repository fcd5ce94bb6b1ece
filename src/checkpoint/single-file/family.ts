import type { Weights } from "../weights.js";
import type { FilePart, PartName } from "./parts.js";

/** The networks that Stable Diffusion's versions have in common. */
export type Family = "sd1" | "sd2" | "xl" | "xl-refiner";

/** What the families are called. */
export const FAMILY_NAMES: Readonly<Record<Family, string>> = {
  sd1: "Stable Diffusion 1",
  sd2: "Stable Diffusion 2",
  xl: "Stable Diffusion XL",
  "xl-refiner": "Stable Diffusion XL's refiner",
};

/** Families by the width of the text features that their UNets and ControlNets look at. */
export const FAMILY_BY_CONTEXT: ReadonlyMap<number, Family> = new Map([
  [768, "sd1"],
  [1024, "sd2"],
  [2048, "xl"],
  [1280, "xl-refiner"],
]);

/** A family, and what shows it, as text for users. */
export interface FoundFamily {
  readonly family: Family;
  readonly source: string;
}

/** Families by their names in Stability's ModelSpec. */
const ARCHITECTURES: readonly (readonly [start: string, family: Family])[] = [
  ["stable-diffusion-xl-v1-refiner", "xl-refiner"],
  ["stable-diffusion-xl", "xl"],
  ["stable-diffusion-v2", "sd2"],
  ["stable-diffusion-v1", "sd1"],
];

/** Width of XL's size embedding: 6 sizes and crops, each a vector of 256. */
const SIZE_NUMBERS = 256 * 6;

/**
 * The family of a file's networks: by the widths of its UNet or ControlNet, else by its text encoders, else by the metadata, else Stable Diffusion 1,
 * as in diffusers.
 */
export function familyOf(parts: ReadonlyMap<PartName, FilePart>, architecture = ""): FoundFamily {
  const name = parts.has("unet") ? "UNet" : "ControlNet";
  const network = (parts.get("unet") ?? parts.get("controlnet"))?.weights;
  const context = network && contextWidth(network);
  const byContext = context === undefined ? undefined : FAMILY_BY_CONTEXT.get(context);
  if (byContext) return { family: byContext, source: `its ${name}'s text features, ${context} wide` };
  const labels = network?.has("add_embedding.linear_1.weight") ? network.shapeOf("add_embedding.linear_1.weight")[1] : undefined;
  const [first, second] = [parts.get("text_encoder"), parts.get("text_encoder_2")];
  if (labels !== undefined) {
    // Beside the pooled text a refiner takes 5 numbers, a base model 6.
    const pooled = second?.weights.has("text_projection.weight") ? second.weights.shapeOf("text_projection.weight")[0] : undefined;
    const isRefiner = pooled === undefined ? second !== undefined && !first : labels - pooled < SIZE_NUMBERS;
    return { family: isRefiner ? "xl-refiner" : "xl", source: `its ${name}'s size embedding` };
  }
  if (second) return { family: first ? "xl" : "xl-refiner", source: "its text encoders" };
  const [, stated] = ARCHITECTURES.find(([start]) => architecture.startsWith(start)) ?? [];
  if (first?.maker === "laion") return { family: "sd2", source: "its text encoder" };
  if (stated) return { family: stated, source: "modelspec.architecture in the file" };
  return { family: "sd1", source: first ? "its text encoder" : "nothing; Stable Diffusion 1 is assumed" };
}

/** The width of the text features that a network looks at; undefined for one that looks at none. */
export function contextWidth(weights: Weights): number | undefined {
  const name = weights.names().find((each) => each.endsWith(".attn2.to_k.weight"));
  return name === undefined ? undefined : weights.shapeOf(name)[1];
}
