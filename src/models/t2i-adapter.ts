import * as v from "valibot";
import { blocks, count, depth } from "../checkpoint/schema.js";
import { ArgumentError } from "../errors.js";
import type { Value } from "../graph/graph.js";
import { relu } from "../graph/ops/activations.js";
import { add } from "../graph/ops/elementwise.js";
import { averagePoolWhole, pixelUnshuffle } from "../graph/ops/resampling.js";
import type { Scope } from "../graph/scope.js";
import { conv } from "../layers/basic.js";
import { pageTurn } from "../page-turn.js";
import type { Folder } from "../platform/folder.js";
import type { Tensor } from "../tensor/tensor.js";
import { expectShape } from "./expect-shape.js";
import { statesAsOutputs, statesFrom } from "./hidden-states.js";
import { Model, type ModelOptions, openModel, type SingleFileModelOptions, singleFileModel } from "./model.js";

const schema = v.object({
  /** Channels of the pictures; 1 for sketches. 3 by default. */
  inChannels: v.nullish(count, 3),
  /** Channels of each level; [320, 640, 1280, 1280] by default. */
  channels: v.nullish(blocks(count), [320, 640, 1280, 1280]),
  /** Residual blocks of each level; 2 by default. */
  numResBlocks: v.nullish(depth, 2),
  /** Pixels of the first level's features, along a side; 8 by default. */
  downscaleFactor: v.nullish(count, 8),
  /** "full_adapter", "full_adapter_xl" or "light_adapter"; "full_adapter" by default. */
  adapterType: v.nullish(v.picklist(["full_adapter", "full_adapter_xl", "light_adapter"]), "full_adapter"),
});

/** `config.json` of a T2IAdapter, with diffusers' defaults. @interface */
export type T2IAdapterConfig = v.InferOutput<typeof schema>;

/**
 * A small network that makes features of a picture such as a sketch, edges or depth, once for each picture; a UNet adds them to its down
 * blocks (Mou et al. 2023). Matches diffusers' T2IAdapter.
 */
export class T2IAdapter extends Model<T2IAdapterConfig> {
  /** @throws CheckpointError, ConfigError, DeviceError */
  static async fromPretrained(source: string | Folder, options: ModelOptions = {}): Promise<T2IAdapter> {
    return new T2IAdapter(await openModel("T2IAdapter", schema, source, options));
  }

  /**
   * Opens the adapter of a single `.safetensors` file, in the original layout or in that of diffusers: a path, or the address of a file on
   * the hub. `config` is a folder or hub id whose config replaces the one that the file suggests.
   * @throws CheckpointError, ConfigError, DeviceError, HubError
   */
  static async fromSingleFile(path: string, options: SingleFileModelOptions = {}): Promise<T2IAdapter> {
    return T2IAdapter.fromPretrained(...(await singleFileModel(path, "adapter", options)));
  }

  /** Both sides of pictures are multiples of it. */
  get downscaleFactor(): number {
    return this.config.downscaleFactor;
  }

  /** Pixels of the coarsest features, along a side. */
  get totalDownscaleFactor(): number {
    const { adapterType, channels, downscaleFactor } = this.config;
    // XL's has one downsampling, the light one has one more than the full one.
    if (adapterType === "full_adapter_xl") return 2 * downscaleFactor;
    return downscaleFactor * 2 ** (adapterType === "light_adapter" ? channels.length : channels.length - 1);
  }

  /**
   * The features of pictures [batch, in_channels, height, width] in 0..1: a tensor for each level, the finest first.
   * @throws ArgumentError if the shape is wrong, or a side is no multiple of {@link downscaleFactor}.
   */
  async forward(pictures: Tensor): Promise<Tensor[]> {
    const { inChannels, downscaleFactor } = this.config;
    expectShape("pictures", pictures, ["batch", inChannels, "height", "width"]);
    const [, , height = 0, width = 0] = pictures.shape;
    if (height % downscaleFactor !== 0 || width % downscaleFactor !== 0) {
      throw new ArgumentError(`pictures are ${width}x${height}; this T2I-Adapter takes sides that are multiples of ${downscaleFactor}`, {
        argument: "pictures",
      });
    }
    const build = async ({ pictures: x }: { readonly pictures: Value }, w: Scope) =>
      statesAsOutputs(await features(x, w.at("adapter"), this.config));
    return statesFrom(await this.run("adapter", { pictures }, build));
  }
}

async function features(pictures: Value, w: Scope, config: T2IAdapterConfig): Promise<Value[]> {
  const { channels, numResBlocks, adapterType } = config;
  const pixels = pixelUnshuffle(pictures, config.downscaleFactor);
  const results: Value[] = [];
  if (adapterType === "light_adapter") {
    // The last level has the channels of the one before.
    for (const [i, width] of [...channels, channels.at(-1) ?? 0].entries()) {
      await pageTurn();
      results.push(lightBlock(i === 0 ? pixels : averagePoolWhole(results[i - 1] as Value), w.at("body", i), width, numResBlocks));
    }
    return results;
  }
  let h = conv(pixels, w.at("conv_in"), channels[0] ?? 0);
  for (const [i, width] of channels.entries()) {
    await pageTurn();
    // XL's UNets halve the picture at the first level already, where the adapter takes larger squares of pixels.
    const halves = adapterType === "full_adapter_xl" ? i === 2 : i > 0;
    h = fullBlock(halves ? averagePoolWhole(h) : h, w.at("body", i), width, numResBlocks);
    results.push(h);
  }
  return results;
}

/** Matches diffusers' AdapterBlock. */
function fullBlock(x: Value, w: Scope, channels: number, layers: number): Value {
  let h = x.shape[1] === channels ? x : conv(x, w.at("in_conv"), channels, { kernel: 1 });
  for (let i = 0; i < layers; i++) h = residual(h, w.at("resnets", i), channels, 1);
  return h;
}

/** Matches diffusers' LightAdapterBlock. */
function lightBlock(x: Value, w: Scope, channels: number, layers: number): Value {
  const middle = Math.floor(channels / 4);
  let h = conv(x, w.at("in_conv"), middle, { kernel: 1 });
  for (let i = 0; i < layers; i++) h = residual(h, w.at("resnets", i), middle, 3);
  return conv(h, w.at("out_conv"), channels, { kernel: 1 });
}

function residual(x: Value, w: Scope, channels: number, lastKernel: number): Value {
  return add(conv(relu(conv(x, w.at("block1"), channels)), w.at("block2"), channels, { kernel: lastKernel }), x);
}
