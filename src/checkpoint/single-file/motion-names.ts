import type { Naming } from "./layer-names.js";

// AnimateDiff's files have motion modules alone. Their layers have other names than in diffusers.

const MODULE = /^((?:(?:down|up)_blocks\.\d{1,2}|mid_block)\.motion_modules\.\d{1,2}\.)(?:temporal_transformer\.)?(.+)$/;

/** The layers of a transformer block, in the file and in diffusers. */
const LAYERS: readonly (readonly [original: string, diffusers: string])[] = [
  // Both attentions see the same places of the frames.
  ["attention_blocks.0.pos_encoder.pe", "pos_embed.pe"],
  ["attention_blocks.0.", "attn1."],
  ["attention_blocks.1.", "attn2."],
  ["norms.0.", "norm1."],
  ["norms.1.", "norm2."],
  ["ff_norm.", "norm3."],
];

/** The names of the tensors of a motion adapter in the original layout. */
export const MOTION_NAMES: Naming = {
  diffusers(name) {
    const [, at, rest = ""] = MODULE.exec(name) ?? [];
    if (at === undefined || rest.includes(".attention_blocks.1.pos_encoder.")) return undefined;
    return at + renamed(rest, 0, 1);
  },
  original(name) {
    const [, at, rest = ""] = MODULE.exec(name) ?? [];
    return at === undefined ? undefined : `${at}temporal_transformer.${renamed(rest, 1, 0)}`;
  },
};

function renamed(layer: string, from: 0 | 1, to: 0 | 1): string {
  const [, block, rest = ""] = /^(transformer_blocks\.\d{1,2}\.)(.+)$/.exec(layer) ?? [];
  if (block === undefined) return layer;
  const pair = LAYERS.find((each) => rest.startsWith(each[from]));
  return block + (pair ? pair[to] + rest.slice(pair[from].length) : rest);
}

/** Whether a file has the names of motion modules, and no others. */
export function isMotionFile(names: Iterable<string>): boolean {
  let found = false;
  for (const name of names) {
    if (!MODULE.test(name)) return false;
    found = true;
  }
  return found;
}
