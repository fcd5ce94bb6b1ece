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

/** The family of a file's networks, by which text encoders there are, else by what the network looks at; Stable Diffusion 1 where nothing tells, as in diffusers. */
export function familyOf(parts: ReadonlyMap<PartName, FilePart>): Family {
  const [first, second] = [parts.get("text_encoder"), parts.get("text_encoder_2")];
  if (second) return first ? "xl" : "xl-refiner";
  const network = parts.get("unet") ?? parts.get("controlnet");
  const context = network && contextWidth(network.weights);
  const known = context === undefined ? undefined : FAMILY_BY_CONTEXT.get(context);
  if (known) return known;
  return first?.maker === "laion" ? "sd2" : network?.weights.has("add_embedding.linear_1.weight") ? "xl" : "sd1";
}

/** The width of the text features that a network looks at; undefined for one that looks at none. */
export function contextWidth(weights: Weights): number | undefined {
  const name = weights.names().find((each) => each.endsWith(".attn2.to_k.weight"));
  return name === undefined ? undefined : weights.shapeOf(name)[1];
}
