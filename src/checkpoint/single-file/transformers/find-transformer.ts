import { DIFFUSERS_NAMES, type Naming } from "../layer-names.js";
import type { Piece } from "../text-encoder-names.js";
import { CHROMA, FLUX, FLUX_2 } from "./flux.js";
import type { FileNames, TransformerLayout } from "./layout.js";
import { QWEN_IMAGE } from "./qwen-image.js";
import { STABLE_DIFFUSION_3 } from "./stable-diffusion-3.js";
import { Z_IMAGE } from "./z-image.js";

const LAYOUTS: readonly TransformerLayout[] = [FLUX, CHROMA, FLUX_2, STABLE_DIFFUSION_3, Z_IMAGE, QWEN_IMAGE];
const PREFIXES = ["model.diffusion_model.", "diffusion_model.", "transformer.", ""];

/** A transformer in a file. */
export interface FoundTransformer {
  readonly layout: TransformerLayout;
  readonly prefix: string;
  readonly naming: Naming;
  readonly pieces: (piece: Piece) => readonly Piece[];
}

/** The transformer that a file has under one of the prefixes that such files have. `under` gives the tensors below a prefix. */
export function findTransformer(under: (prefix: string) => FileNames): FoundTransformer | undefined {
  for (const prefix of PREFIXES) {
    const file = under(prefix);
    for (const layout of LAYOUTS) {
      if (layout.isOriginal(file)) return { layout, prefix, naming: layout.naming(file), pieces: layout.pieces(file) };
      if (layout.isDiffusers(file)) {
        const isOwn = layout === QWEN_IMAGE;
        return { layout, prefix, naming: isOwn ? layout.naming(file) : DIFFUSERS_NAMES, pieces: (piece) => [piece] };
      }
    }
  }
  return undefined;
}

/** The layout of the transformer whose tensors have diffusers' names; undefined if it is of no known family. */
export function layoutOfNames(tensors: FileNames): TransformerLayout | undefined {
  return LAYOUTS.find((layout) => layout.isDiffusers(tensors));
}

/** The layout of the transformers of this class. */
export function layoutOf(className: string): TransformerLayout | undefined {
  return LAYOUTS.find((layout) => layout.className === className);
}

/** The classes of the transformers that files may hold. */
export const TRANSFORMER_CLASSES: readonly string[] = LAYOUTS.map(({ className }) => className);
