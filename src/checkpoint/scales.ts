import type { StoredTensor } from "./safetensors.js";

/** What ComfyUI calls the scale of `layer.weight`: its first name, and the one since late 2025. */
const SCALE = /\.(scale_weight|weight_scale)$/;
/** What stands beside scaled weights and is not needed to widen them: scales of a layer's input, and the names of formats. */
const MARKER = /(^|\.)(scaled_fp8|scale_input|input_scale|comfy_quant)$/;

/** Whether a tensor of this name is the scale of a weight, or a marker, and no weight of its own. */
export function isBesideWeight(name: string): boolean {
  return isScale(name) || MARKER.test(name);
}

/** Whether a tensor of this name is the scale of a weight. */
export function isScale(name: string): boolean {
  return SCALE.test(name);
}

/**
 * Tensors without markers, and with each scale as part of the weight that it belongs to. A scale whose weight is not among them stays a tensor: its
 * weight may be in another shard.
 */
export function joinScales(tensors: ReadonlyMap<string, StoredTensor>): ReadonlyMap<string, StoredTensor> {
  const joined = new Map([...tensors].filter(([name]) => !MARKER.test(name)));
  for (const [name, scale] of tensors) {
    const scaled = isScale(name) ? joined.get(name.replace(SCALE, ".weight")) : undefined;
    if (!scaled || scaled.scale) continue;
    joined.set(scaled.name, { ...scaled, scale });
    joined.delete(name);
  }
  return joined;
}
