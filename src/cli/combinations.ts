import { ArgumentError } from "../errors.js";
import type { GenerateOptions } from "./generate-request.js";

type OptionName = keyof GenerateOptions;

/** Options that say nothing without another: the option, the one it needs, why, and what to add. */
const NEEDS: readonly (readonly [option: OptionName, needed: OptionName, why: string, add: string])[] = [
  ["config", "model", "it says how the networks of that file are built", "--model model.safetensors"],
  ["strength", "image", "it says how much of that picture is forgotten", "--image in.png"],
  ["mask", "image", "it marks the part of that picture to repaint", "--image in.png"],
  ["maskPadding", "mask", "it says how much around the masked part is worked on", "--mask mask.png"],
  ["control", "controlImage", "it is the picture the ControlNet goes by", "--control-image picture.png"],
  ["controlImage", "control", "it is the network that goes by this picture", "--control and a ControlNet"],
  ["controlScale", "control", "it weighs that network's say", "--control and a ControlNet"],
  ["revision", "model", "it is a branch, tag or commit of that model on the hub", "--model OWNER/NAME"],
  ["refineFrom", "refiner", "it says when the refiner takes over", "--refiner and a refiner"],
];

/** Options that exclude each other: why, and what to do. */
const EXCLUSIONS: readonly (readonly [option: OptionName, other: OptionName, why: string, instead: string])[] = [
  [
    "control",
    "image",
    "there is no pipeline for both a ControlNet and a picture to start from",
    "the ControlNet's own picture is --control-image; leave out one of the two",
  ],
  ["control", "refiner", "ControlNets here are for Stable Diffusion 1.x and 2.x, refiners for XL", "leave out one of the two"],
  ["jpeg", "webp", "a picture is written in one format", "leave out one of the two"],
  [
    "mask",
    "refiner",
    "a picture handed over half-way cannot have its unmasked part put back",
    "repaint first; then refine the result: --model REFINER --image result.png --strength 0.3",
  ],
];

/** @throws ArgumentError for options that make no sense together, or one without another. */
export function checkCombinations(options: GenerateOptions): void {
  const isGiven = (name: OptionName) => options[name] !== undefined;
  for (const [option, needed, why, add] of NEEDS) {
    if (!isGiven(option) || isGiven(needed)) continue;
    throw new ArgumentError(`${spell(option)} needs ${spell(needed)}: ${why}`, { hint: `add ${add}` });
  }
  for (const [option, other, why, instead] of EXCLUSIONS) {
    if (!isGiven(option) || !isGiven(other)) continue;
    throw new ArgumentError(`${spell(option)} and ${spell(other)} cannot be combined: ${why}`, { hint: instead });
  }
}

/** An option as it is typed: `maskPadding` is `--mask-padding`. */
export function spell(option: OptionName): string {
  return `--${option.replace(/[A-Z]/g, (capital) => `-${capital.toLowerCase()}`)}`;
}
