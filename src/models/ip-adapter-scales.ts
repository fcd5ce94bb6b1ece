import { ArgumentError } from "../errors.js";
import { isPlain, shown } from "../given.js";
import { counted, type Spelling } from "../wording.js";

/** A scale, or with masks a list with one for each of the adapter's pictures. */
export type PictureScales = number | readonly number[];

/**
 * Scales of the transformers of one way through the UNet: one for all, or by block; of a block one for all, or a list with one for each
 * transformer: `{ block_0: [0, 1, 0] }`. Blocks that are not named have 0.
 */
export type IPAdapterBlockScales = number | Readonly<Record<`block_${number}`, number | readonly PictureScales[]>>;

/** Scales of an IP-Adapter by block, as InstantStyle has them. What is not named has 0. */
export interface IPAdapterUNetScales {
  /** Scale of the blocks on the way down. */
  readonly down?: IPAdapterBlockScales | undefined;
  /** Scale of the middle block. */
  readonly mid?: number | undefined;
  /** Scale of the blocks on the way up. */
  readonly up?: IPAdapterBlockScales | undefined;
}

/** How strongly an IP-Adapter acts: 0 not at all, 1 as it was trained. */
export type IPAdapterScale = PictureScales | IPAdapterUNetScales;

/** The scale of each transformer, by its path: one for all pictures, or one for each. */
export type TransformerScales = (transformer: string) => readonly number[];

/**
 * The scales of a UNet's transformers. `argument` is the option that they are given with. Follows diffusers' _maybe_expand_lora_scales, but
 * refuses blocks without a transformer.
 * @throws ArgumentError
 */
export function expandScale(scale: IPAdapterScale, transformers: readonly string[], argument = "scale"): TransformerScales {
  if (!isPlain(scale)) {
    const each = picturesOf(argument, [], scale);
    return () => each;
  }
  const unknown = Object.keys(scale).find((name) => !["down", "mid", "up"].includes(name));
  if (unknown !== undefined) {
    throw new ArgumentError((name) => `${optionOf(name, argument)} has ${unknown}; an IP-Adapter's scale has down, mid and up`, {
      argument,
    });
  }
  const { mid = 0 } = scale as IPAdapterUNetScales;
  const scales = new Map<string, readonly number[]>();
  const middle = Array.isArray(mid) && mid.length === 1 ? mid[0] : mid;
  for (const transformer of transformers)
    if (transformer.startsWith("mid_block.")) scales.set(transformer, picturesOf(argument, ["mid"], middle));
  for (const way of ["down", "up"] as const) {
    const given = (scale as IPAdapterUNetScales)[way] ?? 0;
    const blocks = blocksOf(transformers, way);
    const byBlock = isPlain(given) ? given : Object.fromEntries([...blocks.keys()].map((name) => [name, given]));
    const absent = Object.keys(byBlock).find((name) => !blocks.has(name));
    if (absent !== undefined) {
      const value = (byBlock as Readonly<Record<string, unknown>>)[absent];
      throw new ArgumentError(
        (name) =>
          `${optionOf(name, argument)} has ${way}.${absent} (${shown(value)}); the UNet's blocks with transformers on the way ${way} are ${[...blocks.keys()].join(", ")}`,
        { argument, hint: "name one of these; style and layout stand for blocks of the UNet of Stable Diffusion XL" },
      );
    }
    for (const [name, paths] of blocks) {
      const list = listOf(byBlock[name as `block_${number}`] ?? 0, paths.length);
      if (list.length !== paths.length) {
        throw new ArgumentError(
          (spell) =>
            `${optionOf(spell, argument)} has ${counted(list.length, "number")} in ${way}.${name}; expected ${paths.length}, one for each transformer of the block`,
          { argument },
        );
      }
      for (const [i, path] of paths.entries()) scales.set(path, picturesOf(argument, [way, name], list[i]));
    }
  }
  return (transformer) => scales.get(transformer) ?? [0];
}

/** The transformers of each block of a way. */
function blocksOf(transformers: readonly string[], way: "down" | "up"): Map<string, string[]> {
  const blocks = new Map<string, string[]>();
  for (const path of transformers) {
    const level = new RegExp(`^${way}_blocks\\.(\\d+)\\.`).exec(path)?.[1];
    if (level !== undefined) blocks.set(`block_${level}`, [...(blocks.get(`block_${level}`) ?? []), path]);
  }
  return blocks;
}

/** One value for each of `count` transformers. A list of one is for all, as in diffusers. */
function listOf(value: unknown, count: number): readonly unknown[] {
  if (Array.isArray(value) && value.length !== 1) return value;
  const [one] = [value].flat(1);
  return Array.from({ length: count }, () => (Array.isArray(value) ? value[0] : one));
}

/** The option of the scales, as a user knows it: the command line has one for scales by block. */
function optionOf(name: Spelling, argument: string): string {
  return name("scale", { code: argument });
}

function picturesOf(argument: string, path: readonly string[], value: unknown): readonly number[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (list.length > 0 && list.every(Number.isFinite)) return list as readonly number[];
  throw new ArgumentError(
    (name) =>
      `${[optionOf(name, argument), ...path].join(".")} is ${shown(value)}; expected a number, or with masks a list with one for each picture`,
    { argument },
  );
}
