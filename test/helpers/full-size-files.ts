import { closeSync, ftruncateSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { Generator, randn } from "../../src/tensor/random.js";
import { concat, Tensor } from "../../src/tensor/tensor.js";
import type { Tensors } from "./checkpoints.js";
import { safetensorsBytes, writeSafetensors } from "./safetensors.js";
import { temporaryFolder } from "./temporary.js";

// Single files by what the authors' code builds (ldm's openaimodel.py and model.py, cldm.py, CLIP's model.py): of the size that people
// have, without their numbers (the header is there, the rest is a hole that takes no room on the disk), or small, of the same proportions
// and with some numbers.

/** Shapes by name. */
export type Shapes = Readonly<Record<string, readonly number[]>>;

/** The full-sized checkpoints. */
export const FULL_SIZE: Readonly<Record<string, () => Shapes>> = {
  sd15: () => ({ ...unet(SD1), ...vae(), ...clip("cond_stage_model.transformer.text_model.") }),
  "sd15-inpaint": () => ({ ...unet({ ...SD1, inChannels: 9 }), ...vae(), ...clip("cond_stage_model.transformer.text_model.") }),
  sd21: () => ({ ...unet(SD2), ...vae(), ...openClip("cond_stage_model.model.", 1024, 24) }),
  "sdxl-base": () => ({
    ...unet(XL),
    ...vae(),
    ...clip("conditioner.embedders.0.transformer.text_model."),
    ...openClip("conditioner.embedders.1.model.", 1280, 32),
  }),
  "sdxl-refiner": () => ({ ...unet(REFINER), ...vae(), ...openClip("conditioner.embedders.0.model.", 1280, 32) }),
};

const XL_ENCODERS = (): Shapes => ({
  ...clip("conditioner.embedders.0.transformer.text_model."),
  ...openClip("conditioner.embedders.1.model.", 1280, 32),
});

/** Full-sized checkpoints of the same families, with other proportions or additional parts. */
export const FULL_SIZE_KIN: Readonly<Record<string, () => Shapes>> = {
  "sd2-inpaint": () => ({ ...unet({ ...SD2, inChannels: 9 }), ...vae(), ...openClip("cond_stage_model.model.", 1024, 24) }),
  "sdxl-inpaint": () => ({ ...unet({ ...XL, inChannels: 9 }), ...vae(), ...XL_ENCODERS() }),
  "sdxl-without-first-encoder": () => ({ ...unet(XL), ...vae(), ...openClip("conditioner.embedders.1.model.", 1280, 32) }),
  "sdxl-without-encoders": () => ({ ...unet(XL), ...vae() }),
  "sdxl-refiner-without-encoders": () => ({ ...unet(REFINER), ...vae() }),
  // Its file has the noise levels of the training.
  "sdxl-turbo": () => ({ ...unet(XL), ...vae(), ...XL_ENCODERS(), "denoiser.sigmas": [1000] }),
  "playground-v2.5": () => ({ ...unet(XL), ...vae(), ...XL_ENCODERS(), edm_mean: [1, 4, 1, 1], edm_std: [1, 4, 1, 1] }),
  "ssd-1b": () => ({ ...distilledXL(), ...vae(), ...XL_ENCODERS() }),
  "segmind-vega": () => ({ ...unet({ ...XL, depths: [0, 1, 2], depthOfMiddle: 0 }), ...vae(), ...XL_ENCODERS() }),
  lcm: () => ({ ...unet({ ...SD1, guidance: 256 }), ...vae(), ...clip("cond_stage_model.transformer.text_model.") }),
  "lcm-sdxl": () => ({ ...unet({ ...XL, guidance: 256 }), ...vae(), ...XL_ENCODERS() }),
};

export type SmallName =
  | "sd15"
  | "sd15-inpaint"
  | "sd2"
  | "sdxl-base"
  | "sdxl-inpaint"
  | "sdxl-refiner"
  | "ssd-1b"
  | "segmind-vega"
  | "lcm"
  | "lcm-sdxl"
  | "vae"
  | "controlnet";

/**
 * Small files whose configs can be told all the same: heads are 64 wide (Stable Diffusion 1 has 8 of them), and 32 groups divide every
 * width.
 */
export const SMALL: Readonly<Record<SmallName, () => Shapes>> = {
  sd15: () => smallSD1(),
  "sd15-inpaint": () => smallSD1({ inChannels: 9 }),
  sd2: () => ({ ...unet({ ...SMALL_SD1, isLinear: true }), ...SMALL_VAE(), ...openClip("cond_stage_model.model.", 64, 2) }),
  "sdxl-base": () => smallXL(),
  "sdxl-inpaint": () => smallXL({ inChannels: 9 }),
  "sdxl-refiner": () => ({
    ...unet({ ...SMALL_XL, context: 128, labels: 128 + 5 * 256 }),
    ...SMALL_VAE(),
    ...openClip("conditioner.embedders.0.model.", 128, 2),
  }),
  "ssd-1b": () =>
    smallXL({ depths: [0, 1], depthOfMiddle: 0 }, [
      [2, 1, 1],
      [0, 0, 0],
    ]),
  "segmind-vega": () => smallXL({ depths: [0, 1], depthOfMiddle: 0 }),
  lcm: () => smallSD1({ guidance: 32 }),
  "lcm-sdxl": () => smallXL({ guidance: 32 }),
  vae: () => vae("", 4, [32, 64]),
  controlnet: () => controlNet(SMALL_SD1, [16, 32]),
};

/** Float16 tensors with small numbers, the same for one `seed`. */
export function smallTensors(shapes: Shapes, seed: number): Tensors {
  const generator = new Generator(seed);
  const tensors = Object.entries(shapes).map(([name, shape]) => {
    const isScale =
      /(norm\d?|ln_\d|ln_final|layers\.0|out\.0|norm_out|layer_norm\d|final_layer_norm)\.weight$/.test(name) && shape.length === 1;
    if (isScale)
      return [
        name,
        Tensor.zeros(shape)
          .map(() => 1)
          .to("float16"),
      ] as const;
    if (name.endsWith("token_embedding.weight")) return [name, embeddings(shape, generator)] as const;
    return [name, randn(shape, generator).mul(0.05).to("float16")] as const;
  });
  return Object.fromEntries(tensors);
}

/** Embeddings of a whole vocabulary. They repeat after a thousand words, because drawing 49,408 takes seconds. */
function embeddings([words = 0, width = 0]: readonly number[], generator: Generator): Tensor<"float16"> {
  const some = randn([1000, width], generator).mul(0.05).to("float16");
  const all = concat(Array.from({ length: Math.ceil(words / 1000) }, () => some));
  return all.slice(0, words);
}

/** Writes a file of {@link smallTensors} and further contents; it is removed when the test ends. */
export function smallFile(shapes: Shapes, seed: number, { added, metadata }: SmallFileOptions = {}): string {
  const path = join(temporaryFolder(), "model.safetensors");
  writeSafetensors(path, { ...smallTensors(shapes, seed), ...added }, metadata);
  return path;
}

/** Further contents of a file. */
export interface SmallFileOptions {
  readonly added?: Tensors;
  readonly metadata?: Record<string, string>;
}

/** Writes a file of float16 tensors that are all zeros; it is removed when the test ends. */
export function sparseFile(shapes: Shapes, metadata?: Readonly<Record<string, string>>): string {
  let end = 0;
  const header: Record<string, unknown> = metadata ? { __metadata__: metadata } : {};
  for (const [name, shape] of Object.entries(shapes)) {
    const start = end;
    end += 2 * shape.reduce((size, extent) => size * extent, 1);
    header[name] = { dtype: "F16", shape, data_offsets: [start, end] };
  }
  const bytes = safetensorsBytes(header);
  const path = join(temporaryFolder(), "model.safetensors");
  const file = openSync(path, "w");
  writeSync(file, bytes);
  ftruncateSync(file, bytes.length + end);
  closeSync(file);
  return path;
}

interface UNet {
  readonly channels: number;
  readonly multiples: readonly number[];
  /** Transformers after each resnet block of a level. */
  readonly depths: readonly number[];
  readonly depthOfMiddle: number;
  readonly context: number;
  readonly isLinear: boolean;
  readonly inChannels: number;
  /** Width of the input of `label_emb`. */
  readonly labels?: number;
  /** Width of the guidance scale's embedding, in networks distilled to consistency models. */
  readonly guidance?: number;
}

const SD1: UNet = {
  channels: 320,
  multiples: [1, 2, 4, 4],
  depths: [1, 1, 1, 0],
  depthOfMiddle: 1,
  context: 768,
  isLinear: false,
  inChannels: 4,
};
const SD2: UNet = { ...SD1, context: 1024, isLinear: true };
const XL: UNet = { ...SD2, multiples: [1, 2, 4], depths: [0, 2, 10], depthOfMiddle: 10, context: 2048, labels: 2816 };
const SMALL_SD1: UNet = { ...SD1, channels: 64, multiples: [1, 2], depths: [1, 0], context: 64 };
const SMALL_XL: UNet = { ...SMALL_SD1, depths: [0, 2], depthOfMiddle: 2, isLinear: true };
const REFINER: UNet = { ...SD2, channels: 384, depths: [0, 4, 4, 0], depthOfMiddle: 4, context: 1280, labels: 2560 };

const SMALL_VAE = () => vae("first_stage_model.", 4, [32, 64]);

function smallSD1(changes: Partial<UNet> = {}): Shapes {
  return { ...unet({ ...SMALL_SD1, ...changes }), ...SMALL_VAE(), ...clip("cond_stage_model.transformer.text_model.", 64, 2) };
}

/** Its text encoders have different widths: with equal ones, diffusers mistakes the second for the first. */
function smallXL(changes: Partial<UNet> = {}, depthsUp?: readonly (readonly number[])[]): Shapes {
  return {
    ...unet({ ...SMALL_XL, context: 192, labels: 128 + 6 * 256, ...changes }, depthsUp),
    ...SMALL_VAE(),
    ...clip("conditioner.embedders.0.transformer.text_model.", 64, 2),
    ...openClip("conditioner.embedders.1.model.", 128, 2),
  };
}

/** The UNet of Segmind's SSD-1B: XL's with fewer transformers, more of them on the way up than down, and none in the middle. */
export function distilledXL(): Shapes {
  return unet({ ...XL, depths: [0, 2, 4], depthOfMiddle: 0 }, [
    [4, 4, 10],
    [2, 1, 1],
    [0, 0, 0],
  ]);
}

function unet(
  { channels, multiples, depths, depthOfMiddle, context, isLinear, inChannels, labels, guidance }: UNet,
  depthsUp: readonly (readonly number[])[] = depths.map((depth) => [depth, depth, depth]).toReversed(),
): Shapes {
  const time = 4 * channels;
  const prefix = "model.diffusion_model.";
  const layers: Shapes[] = [linear(`${prefix}time_embed.0`, time, channels), linear(`${prefix}time_embed.2`, time, time)];
  if (guidance) layers.push({ [`${prefix}time_embed.cond_proj.weight`]: [channels, guidance] });
  if (labels) layers.push(linear(`${prefix}label_emb.0.0`, time, labels), linear(`${prefix}label_emb.0.2`, time, time));
  layers.push(conv(`${prefix}input_blocks.0.0`, channels, inChannels));
  const resnet = (name: string, from: number, to: number) =>
    layers.push(
      norm(`${prefix}${name}.in_layers.0`, from),
      conv(`${prefix}${name}.in_layers.2`, to, from),
      linear(`${prefix}${name}.emb_layers.1`, to, time),
      norm(`${prefix}${name}.out_layers.0`, to),
      conv(`${prefix}${name}.out_layers.3`, to, to),
      from === to ? {} : conv(`${prefix}${name}.skip_connection`, to, from, 1),
    );
  const transformer = (name: string, width: number, depth: number) => {
    const at = `${prefix}${name}`;
    const project = (inside: string) => (isLinear ? linear(inside, width, width) : conv(inside, width, width, 1));
    layers.push(norm(`${at}.norm`, width), project(`${at}.proj_in`), project(`${at}.proj_out`));
    for (let i = 0; i < depth; i++) layers.push(transformerBlock(`${at}.transformer_blocks.${i}`, width, context));
  };
  let width = channels;
  let block = 1;
  const skips = [channels];
  for (const [i, multiple] of multiples.entries()) {
    for (let j = 0; j < 2; j++) {
      resnet(`input_blocks.${block}.0`, width, channels * multiple);
      width = channels * multiple;
      if (depths[i]) transformer(`input_blocks.${block}.1`, width, depths[i] ?? 0);
      skips.push(width);
      block++;
    }
    if (i === multiples.length - 1) continue;
    layers.push(conv(`${prefix}input_blocks.${block++}.0.op`, width, width));
    skips.push(width);
  }
  resnet("middle_block.0", width, width);
  if (depthOfMiddle > 0) {
    transformer("middle_block.1", width, depthOfMiddle);
    resnet("middle_block.2", width, width);
  }
  block = 0;
  for (const [i, multiple] of multiples.toReversed().entries()) {
    for (let j = 0; j < 3; j++) {
      resnet(`output_blocks.${block}.0`, width + (skips.pop() ?? 0), channels * multiple);
      width = channels * multiple;
      const depth = depthsUp[i]?.[j] ?? 0;
      if (depth) transformer(`output_blocks.${block}.1`, width, depth);
      if (j === 2 && i < multiples.length - 1) layers.push(conv(`${prefix}output_blocks.${block}.${depth ? 2 : 1}.conv`, width, width));
      block++;
    }
  }
  layers.push(norm(`${prefix}out.0`, channels), conv(`${prefix}out.2`, 4, channels));
  return Object.assign({}, ...layers);
}

/** A copy of the way down, and convolutions that bring a picture of `widths[0]` features to the latents' size. */
function controlNet(options: UNet, widths: readonly number[]): Shapes {
  const { channels, multiples } = options;
  const wayDown = Object.entries(unet(options)).flatMap(([name, shape]) => {
    const own = name.replace("model.diffusion_model.", "");
    return /^(out|output_blocks)\./.test(own) ? [] : [[own, shape] as const];
  });
  const hints: Shapes[] = [conv("input_hint_block.0", widths[0] ?? 0, 3)];
  for (const [i, width] of widths.slice(0, -1).entries()) {
    hints.push(conv(`input_hint_block.${4 * i + 2}`, width, width), conv(`input_hint_block.${4 * i + 4}`, widths[i + 1] ?? 0, width));
  }
  hints.push(conv(`input_hint_block.${4 * widths.length - 2}`, channels, widths.at(-1) ?? 0));
  // One for the first convolution, each of a level's two resnet blocks, and each halving.
  const skips = [channels, ...multiples.flatMap((multiple, i) => Array(i < multiples.length - 1 ? 3 : 2).fill(channels * multiple))];
  const zeros = skips.map((width, i) => conv(`zero_convs.${i}.0`, width, width, 1));
  const last = skips.at(-1) ?? 0;
  return Object.assign(Object.fromEntries(wayDown), ...hints, ...zeros, conv("middle_block_out.0", last, last, 1));
}

function transformerBlock(name: string, width: number, context: number): Shapes {
  const attention = (at: string, from: number) => ({
    [`${at}.to_q.weight`]: [width, width],
    [`${at}.to_k.weight`]: [width, from],
    [`${at}.to_v.weight`]: [width, from],
    ...linear(`${at}.to_out.0`, width, width),
  });
  return {
    ...attention(`${name}.attn1`, width),
    ...attention(`${name}.attn2`, context),
    ...linear(`${name}.ff.net.0.proj`, 8 * width, width),
    ...linear(`${name}.ff.net.2`, width, 4 * width),
    ...Object.assign({}, ...[1, 2, 3].map((i) => norm(`${name}.norm${i}`, width))),
  };
}

/** The autoencoder of every Stable Diffusion, under `prefix`. */
export function vae(prefix = "first_stage_model.", latentChannels = 4, widths: readonly number[] = [128, 256, 512, 512]): Shapes {
  const [first = 0, last = 0] = [widths[0], widths.at(-1)];
  const layers: Shapes[] = [];
  const resnet = (name: string, from: number, to: number) =>
    layers.push(
      norm(`${name}.norm1`, from),
      conv(`${name}.conv1`, to, from),
      norm(`${name}.norm2`, to),
      conv(`${name}.conv2`, to, to),
      from === to ? {} : conv(`${name}.nin_shortcut`, to, from, 1),
    );
  const middle = (half: string) => {
    resnet(`${half}.mid.block_1`, last, last);
    layers.push(norm(`${half}.mid.attn_1.norm`, last));
    for (const projection of ["q", "k", "v", "proj_out"]) layers.push(conv(`${half}.mid.attn_1.${projection}`, last, last, 1));
    resnet(`${half}.mid.block_2`, last, last);
  };
  const [encoder, decoder] = [`${prefix}encoder`, `${prefix}decoder`];
  layers.push(conv(`${encoder}.conv_in`, first, 3));
  let width = first;
  for (const [i, to] of widths.entries()) {
    for (let j = 0; j < 2; j++, width = to) resnet(`${encoder}.down.${i}.block.${j}`, width, to);
    if (i < widths.length - 1) layers.push(conv(`${encoder}.down.${i}.downsample.conv`, to, to));
  }
  middle(encoder);
  layers.push(norm(`${encoder}.norm_out`, last), conv(`${encoder}.conv_out`, 2 * latentChannels, last));
  layers.push(conv(`${decoder}.conv_in`, last, latentChannels));
  middle(decoder);
  for (let i = widths.length - 1; i >= 0; i--) {
    const to = widths[i] ?? 0;
    for (let j = 0; j < 3; j++, width = to) resnet(`${decoder}.up.${i}.block.${j}`, width, to);
    if (i > 0) layers.push(conv(`${decoder}.up.${i}.upsample.conv`, to, to));
  }
  layers.push(norm(`${decoder}.norm_out`, first), conv(`${decoder}.conv_out`, 3, first));
  layers.push(
    conv(`${prefix}quant_conv`, 2 * latentChannels, 2 * latentChannels, 1),
    conv(`${prefix}post_quant_conv`, latentChannels, latentChannels, 1),
  );
  return Object.assign({}, ...layers);
}

function clip(prefix: string, width = 768, layers = 12): Shapes {
  const layer = (at: string) => ({
    ...Object.assign({}, ...["q_proj", "k_proj", "v_proj", "out_proj"].map((name) => linear(`${at}.self_attn.${name}`, width, width))),
    ...linear(`${at}.mlp.fc1`, 4 * width, width),
    ...linear(`${at}.mlp.fc2`, width, 4 * width),
    ...norm(`${at}.layer_norm1`, width),
    ...norm(`${at}.layer_norm2`, width),
  });
  return {
    [`${prefix}embeddings.token_embedding.weight`]: [49408, width],
    [`${prefix}embeddings.position_embedding.weight`]: [77, width],
    ...Object.assign({}, ...Array.from({ length: layers }, (_, i) => layer(`${prefix}encoder.layers.${i}`))),
    ...norm(`${prefix}final_layer_norm`, width),
  };
}

function openClip(prefix: string, width: number, layers: number): Shapes {
  const layer = (at: string) => ({
    [`${at}.attn.in_proj_weight`]: [3 * width, width],
    [`${at}.attn.in_proj_bias`]: [3 * width],
    ...linear(`${at}.attn.out_proj`, width, width),
    ...linear(`${at}.mlp.c_fc`, 4 * width, width),
    ...linear(`${at}.mlp.c_proj`, width, 4 * width),
    ...norm(`${at}.ln_1`, width),
    ...norm(`${at}.ln_2`, width),
  });
  return {
    [`${prefix}token_embedding.weight`]: [49408, width],
    [`${prefix}positional_embedding`]: [77, width],
    [`${prefix}text_projection`]: [width, width],
    ...Object.assign({}, ...Array.from({ length: layers }, (_, i) => layer(`${prefix}transformer.resblocks.${i}`))),
    ...norm(`${prefix}ln_final`, width),
  };
}

function conv(name: string, to: number, from: number, kernel = 3): Shapes {
  return { [`${name}.weight`]: [to, from, kernel, kernel], [`${name}.bias`]: [to] };
}

function linear(name: string, to: number, from: number): Shapes {
  return { [`${name}.weight`]: [to, from], [`${name}.bias`]: [to] };
}

function norm(name: string, width: number): Shapes {
  return { [`${name}.weight`]: [width], [`${name}.bias`]: [width] };
}
