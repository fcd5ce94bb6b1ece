/** ComfyUI's names for the scale of `layer.weight`: until late 2025, and since then. */
const SCALE = /\.(scale_weight|weight_scale)$/;
/** Tensors that are not needed to widen scaled weights: scales of a layer's input, and names of formats. */
const MARKER = /(^|\.)(scaled_fp8|scale_input|input_scale|comfy_quant)$/;

/** Whether a tensor with this name is a scale or a marker, not a weight. */
export function isBesideWeight(name: string): boolean {
  return isScale(name) || MARKER.test(name);
}

/** Whether a tensor with this name is the scale of a weight. */
export function isScale(name: string): boolean {
  return SCALE.test(name);
}

/**
 * Removes markers and attaches each scale to its weight. A scale without its weight stays a tensor: the weight may be in another shard.
 */
export function joinScales<Stored extends { readonly name: string; readonly scale?: Stored | undefined }>(
  tensors: ReadonlyMap<string, Stored>,
): ReadonlyMap<string, Stored> {
  const joined = new Map([...tensors].filter(([name]) => !MARKER.test(name)));
  for (const [name, scale] of tensors) {
    const scaled = isScale(name) ? joined.get(name.replace(SCALE, ".weight")) : undefined;
    if (!scaled || scaled.scale) continue;
    joined.set(scaled.name, { ...scaled, scale });
    joined.delete(name);
  }
  return joined;
}
