import { interpolate } from "../tensor/interpolate.js";
import { Tensor } from "../tensor/tensor.js";
import { warn } from "../warnings.js";

/**
 * Masks [1, pictures, height, width] for an attention layer with so many queries [1, pictures, queries]. Matches the `downsample` of
 * diffusers' IPAdapterMaskProcessor: the layer's height and width are computed from the mask's proportions. If these are not the picture's,
 * the mask is cut off, or 0 is added.
 */
export function downsampleMask(mask: Tensor, queries: number): Tensor {
  const [, pictures = 0, height = 0, width = 0] = mask.shape;
  const least = Math.max(Math.trunc(Math.sqrt(queries / (width / height))), 1);
  const rows = least + (queries % least === 0 ? 0 : 1);
  const columns = Math.floor(queries / rows);
  const small = interpolate(mask, [rows, columns], "bicubic");
  const area = rows * columns;
  const values = new Float32Array(pictures * queries);
  for (let i = 0; i < pictures; i++) values.set(small.data.subarray(i * area, i * area + Math.min(area, queries)), i * queries);
  return Tensor.from(values, [1, pictures, queries]);
}

/** Masks of calls for every number of queries. */
export class MaskSizes {
  private readonly known = new WeakMap<Tensor, Map<number, Tensor>>();

  /** The mask for a level of a UNet [height, width]. A warning tells that its proportions are others. */
  at(mask: Tensor, [height, width]: readonly [number, number]): Tensor {
    const sizes = this.known.get(mask) ?? new Map<number, Tensor>();
    const queries = height * width;
    const small = sizes.get(queries) ?? downsampleMask(mask, queries);
    const [, , maskHeight = 1, maskWidth = 1] = mask.shape;
    const isSimilar =
      Math.abs(maskHeight * width - maskWidth * height) < Math.max(maskHeight * width, maskWidth * height) / Math.min(height, width);
    if (sizes.size === 0 && !isSimilar) {
      warn(
        `an IP-Adapter mask is ${maskWidth}x${maskHeight}, in other proportions than the picture, so it acts in other places; make masks in the size of the picture`,
      );
    }
    this.known.set(mask, sizes.set(queries, small));
    return small;
  }
}
