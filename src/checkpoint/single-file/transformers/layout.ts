import { rowsOf } from "../../../tensor/stored-tensor.js";
import type { JsonObject } from "../../json.js";
import type { Weights } from "../../weights.js";
import { levelsOf } from "../count-levels.js";
import { LayerNames, type NamePair, type Naming } from "../layer-names.js";
import type { Piece } from "../text-encoder-names.js";

/** The tensors of a file below a prefix. */
export interface FileNames {
  has(name: string): boolean;
  /** @throws nothing: undefined if there is no such tensor. */
  shapeOf(name: string): readonly number[] | undefined;
  readonly names: readonly string[];
}

/** How a transformer's authors, and ComfyUI after them, name and divide its tensors. */
export interface TransformerLayout {
  /** The class in diffusers. */
  readonly className: string;
  /** Whether a file has the network in its authors' layout. */
  isOriginal(file: FileNames): boolean;
  /** Whether a file has the network with diffusers' names. */
  isDiffusers(file: FileNames): boolean;
  /** The names in its authors' layout, after {@link pieces} has divided what is fused. */
  naming(file: FileNames): Naming;
  /** The weights that a tensor of the file holds. */
  pieces(file: FileNames): (piece: Piece) => readonly Piece[];
  /** `config.json` by the shapes of the tensors, which have diffusers' names. */
  config(weights: Weights): JsonObject;
}

/** The number of layers whose names begin with `stem` and a number. */
export function countOf(names: readonly string[], stem: string): number {
  const start = stem.replaceAll(".", "\\.");
  return levelsOf(names, new RegExp(`^${start}\\.(\\d{1,2})\\.`));
}

/**
 * Names by pairs of layers. Parts of a fused layer have its name and a number, `attn.qkv.0`, which the file's names do not have; `fused`
 * ends the names of such layers.
 */
export function namesOf(pairs: Iterable<NamePair>, fused: RegExp): Naming {
  const names = new LayerNames(pairs);
  return {
    diffusers: (name) => names.diffusers(name),
    original: (name) => names.original(name)?.replace(new RegExp(`(${fused.source})\\.\\d\\.`), "$1."),
  };
}

/** The rows of a fused layer's tensor as tensors of their own, named by numbers: `attn.qkv.weight` becomes `attn.qkv.0.weight`, ... */
export function divided({ name, stored }: Piece, sizes: readonly number[]): readonly Piece[] {
  const [rows = 0] = stored.shape;
  const dot = name.lastIndexOf(".");
  if (sizes.reduce((sum, size) => sum + size, 0) !== rows || sizes.some((size) => !Number.isInteger(size) || size < 1)) {
    return [{ name, stored }];
  }
  let end = 0;
  return sizes.map((size, i) => {
    end += size;
    return { name: `${name.slice(0, dot)}.${i}${name.slice(dot)}`, stored: rowsOf(stored, end - size, end) };
  });
}

/** A fused tensor's three equal parts: query, key and value. */
export function thirds(piece: Piece): readonly Piece[] {
  const third = (piece.stored.shape[0] ?? 0) / 3;
  return divided(piece, [third, third, third]);
}

/** The tensor with its second half of rows before the first: the authors have shift before scale, diffusers scale before shift. */
export function swapped({ name, stored }: Piece): Piece {
  return { name, stored: { ...stored, swapsHalves: true } };
}

/**
 * The channels of a head that are rotated by a token's place in a sequence, its row and its column. No tensor shows them. `share` is the
 * share of rows and of columns in such networks.
 */
export function rotaryAxes(headWidth: number, share: number): readonly [number, number, number] {
  const side = 2 * Math.floor((headWidth * share) / 2);
  return [headWidth - 2 * side, side, side];
}
