import type { Command } from "commander";
import * as v from "valibot";
import { type ControlPreprocessor, controlMode, controlPreprocessor, controlResizeMode } from "../generate/control-options.js";
import { CONTROL_FIELDS as FIELDS } from "../generate/control-request.js";
import { CONTROL_TEXT } from "../generate/default-texts.js";
import { wrongArgument } from "../given.js";
import { number, numberOrWord, repeated, word } from "./values.js";

/** The options for networks that steer. Each may be given once for each network. */
export function addControlOptions(generate: Command): void {
  const asIs = repeated((text) => text);
  generate
    .option("--control <path>", "ControlNet, ControlNet Union or T2I-Adapter: file, folder or hub id", asIs)
    .option("--control-image <file>", "picture for it: edges, depth, ...", asIs)
    .option(
      "--control-mode <name>",
      "what a Union's picture shows: canny, depth, ... or a number",
      repeated(numberOrWord("controlMode", controlMode)),
    )
    .option("--control-preprocess <name>", "make the picture for it: canny, canny:LOW,HIGH or invert", repeated(preprocessorOption))
    .option(
      "--control-resize <name>",
      "other proportions: default (stretch), crop or fill",
      repeated(word("controlResizeMode", controlResizeMode)),
    )
    .option(
      "--control-scale <x>",
      `weight (default: ${CONTROL_TEXT})`,
      repeated(number("controlnetConditioningScale", FIELDS.controlnetConditioningScale)),
    )
    .option(
      "--control-start <x>",
      "share of the steps at which it begins (default: 0)",
      repeated(number("controlGuidanceStart", FIELDS.controlGuidanceStart)),
    )
    .option(
      "--control-end <x>",
      "share of the steps at which it ends (default: 1)",
      repeated(number("controlGuidanceEnd", FIELDS.controlGuidanceEnd)),
    )
    .option("--control-guess", "let it guide the picture without a prompt");
}

/** Reads `NAME` or `canny:LOW,HIGH`, the value of `--control-preprocess`. @throws ArgumentError */
function preprocessorOption(text: string): ControlPreprocessor {
  const [thresholds, low, high] = /^canny:(\d+),(\d+)$/.exec(text) ?? [];
  if (thresholds !== undefined) return { name: "canny", lowThreshold: Number(low), highThreshold: Number(high) };
  if (v.is(controlPreprocessor, text)) return text;
  throw wrongArgument("controlPreprocessor", text, "none, invert, canny or canny:LOW,HIGH", {
    type: "string",
    hint: controlPreprocessor.hint?.(text),
  });
}
