import type { JsonObject } from "../json.js";
import type { Weights } from "../weights.js";
import { levelsOf } from "./count-levels.js";

/** Pixels of the first features of XL's T2I-Adapters, along a side; those of other families have 8. */
const XL_FACTOR = 16;

/** `config.json` of a T2IAdapter. */
export function adapterConfig(weights: Weights): JsonObject {
  const isLight = weights.has("adapter.body.0.out_conv.weight");
  const names = weights.names();
  const widths = Array.from({ length: levelsOf(names, /^adapter\.body\.(\d{1,2})\./) }, (_, i) => {
    const layer = `adapter.body.${i}.${isLight ? "out_conv" : "resnets.0.block1"}.weight`;
    return weights.shapeOf(layer)[0] ?? 0;
  });
  const [, inputs = 0] = weights.shapeOf(isLight ? "adapter.body.0.in_conv.weight" : "adapter.conv_in.weight");
  // Squares of pixels are the input's channels: those of colour pictures can be divided by 3.
  const channels = inputs % 3 === 0 ? 3 : 1;
  const factor = Math.sqrt(inputs / channels);
  return {
    _class_name: "T2IAdapter",
    in_channels: channels,
    // The last level of a light adapter has the channels of the one before.
    channels: isLight ? widths.slice(0, -1) : widths,
    num_res_blocks: levelsOf(names, /^adapter\.body\.0\.resnets\.(\d{1,2})\./),
    downscale_factor: factor,
    adapter_type: isLight ? "light_adapter" : factor === XL_FACTOR ? "full_adapter_xl" : "full_adapter",
  };
}

/** Whether a T2I-Adapter is for XL. */
export function isAdapterOfXL(weights: Weights): boolean {
  return adapterConfig(weights).downscale_factor === XL_FACTOR;
}
