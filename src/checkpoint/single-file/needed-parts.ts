import { CheckpointError } from "../../errors.js";
import type { TransformerFamily } from "../../families/family.js";
import { familyByRepository } from "../../families/lookups.js";
import { kindOf } from "../part-kind.js";
import type { FilePart } from "./parts.js";
import type { SingleFile } from "./read-single-file.js";
import { isAlike } from "./text-encoders.js";
import { usualConfig, usualSource } from "./usual-sources.js";

/** A part that a file lacks. */
export interface NeededPart {
  /** Its folder in diffusers' layout: "text_encoder", "vae". */
  readonly part: string;
  /** Its class in diffusers or transformers. */
  readonly className: string;
  /** Where it usually comes from: a file on the hub, as options take it. */
  readonly source: string;
}

/** What a file with a transformer belongs to. */
export interface TransformerOrigin {
  readonly family: TransformerFamily;
  /** The hub's checkpoint whose configs and tokenizers go with it. */
  readonly configs: string;
  /** The networks that it lacks. */
  readonly needs: readonly NeededPart[];
}

/** What a file's transformer belongs to; undefined for a file without one. `path` is the file's, whose name tells what shapes do not. */
export function transformerOrigin({ parts, encoders }: SingleFile, path: string): TransformerOrigin | undefined {
  const transformer = parts.get("transformer");
  const configs = transformer && configsOf(transformer, path);
  const family = configs === undefined ? undefined : familyByRepository(configs);
  if (configs === undefined || !family) return undefined;
  const [workflow] = Object.values(family.workflows);
  const left = encoders.map(({ layout: own }) => own?.className ?? "");
  const needs = Object.entries(family.parts).flatMap(([part, facts]) => {
    if (!facts || part === "transformer" || kindOf(facts.className) !== "model" || (part === "vae" && parts.has("vae"))) return [];
    const held = left.findIndex((className) => isAlike(className, facts.className));
    if (held !== -1) left.splice(held, 1);
    const source = usualSource(workflow?.className ?? "", part, configs.includes("9B"));
    return held !== -1 || source === undefined ? [] : [{ part, className: facts.className, source }];
  });
  return { family, configs, needs };
}

/** Undefined for a transformer whose shapes do not tell its config: it needs one that the caller gives. */
function configsOf({ layout, weights }: FilePart, path: string): string | undefined {
  try {
    return layout && usualConfig(layout.className, layout.config(weights), path);
  } catch (error) {
    if (error instanceof CheckpointError) return undefined;
    throw error;
  }
}
