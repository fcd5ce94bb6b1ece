import type { Shape } from "../../../tensor/tensor.js";
import type { HeaderTensor } from "../../safetensors.js";
import { layoutOfNames } from "./find-transformer.js";
import type { FileNames } from "./layout.js";

/** A layer in a transformer's authors' layout, by diffusers' layers. */
export interface AuthorsLayer {
  /** Its name in the authors' layout: `double_blocks.0.img_attn.qkv`. */
  readonly original: string;
  /** The shape of its weight. */
  readonly shape: Shape;
  readonly parts: readonly AuthorsPart[];
}

/** One of diffusers' layers in a layer of the authors. */
export interface AuthorsPart {
  /** Its path in diffusers. */
  readonly path: string;
  /** Its rows in the authors' layer. */
  readonly rows: readonly [start: number, end: number];
  /** Whether the authors have the second half of these rows first. */
  readonly swapsHalves: boolean;
}

/** The names of blocks in diffusers and in the authors' layouts. */
const BLOCKS = [
  [/^single_transformer_blocks\./, "single_blocks."],
  [/^transformer_blocks\./, "double_blocks."],
  [/^transformer_blocks\./, "joint_blocks."],
] as const;

/**
 * The layers of a transformer as its authors name and join them; none if diffusers has the authors' names. `names` are those of its
 * tensors in diffusers.
 */
export function authorsLayers(names: readonly string[], shapeOf: (name: string) => Shape): readonly AuthorsLayer[] {
  const own = new Set(names);
  const layout = layoutOfNames({ has: (name) => own.has(name), shapeOf: (name) => (own.has(name) ? shapeOf(name) : undefined), names });
  if (!layout) return [];
  // Layouts read files, so that they count the blocks by the authors' names.
  const stems = names.flatMap((name) => BLOCKS.map(([stem, original]) => name.replace(stem, original)));
  const naming = layout.naming({ has: () => false, shapeOf: () => undefined, names: stems });
  const tensors = new Map<string, string[]>();
  for (const name of names) {
    const original = name.endsWith(".weight") ? naming.original(name) : undefined;
    if (original !== undefined) tensors.set(original, [...(tensors.get(original) ?? []), name]);
  }
  const shapes = new Map([...tensors].map(([original, parts]) => [original, joinedShape(parts.map(shapeOf))]));
  const file: FileNames = { has: (name) => shapes.has(name), shapeOf: (name) => shapes.get(name), names: stems };
  const pieces = layout.pieces(file);
  return [...shapes].map(([name, shape]) => ({
    original: withoutEnding(name),
    shape,
    parts: pieces({ name, stored: placeholder(name, shape) }).flatMap((piece): AuthorsPart[] => {
      const path = naming.diffusers(piece.name);
      const { offset, length, swapsHalves = false } = piece.stored;
      return path === undefined ? [] : [{ path: withoutEnding(path), rows: [offset, offset + length], swapsHalves }];
    }),
  }));
}

function joinedShape(shapes: readonly Shape[]): Shape {
  const [[, ...columns] = []] = shapes;
  return [shapes.reduce((sum, [rows = 0]) => sum + rows, 0), ...columns];
}

/** A tensor with a byte for each row, so that a piece's bytes are its rows. */
function placeholder(name: string, shape: Shape): HeaderTensor {
  return { name, dtype: "U8", shape, file: { id: "" }, offset: 0, length: shape[0] ?? 0 };
}

function withoutEnding(name: string): string {
  return name.replace(/\.weight$/, "");
}
