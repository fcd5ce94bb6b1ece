import { ArgumentError } from "../../errors.js";
import { loadMask } from "../../image/load-image.js";
import { resizeTensorBicubic } from "../../image/resize-tensor.js";
import { type Field, field } from "../../options/fields.js";
import { concat, Tensor } from "../../tensor/tensor.js";
import type { Size } from "./arguments.js";
import { type ImageInput, isImageInput, loadImages } from "./image-inputs.js";

/**
 * Depth of a picture, larger values nearer: a grey picture in any form, a Tensor [n, height, width] or [n, 1, height, width] as a DPT
 * network's `predicted_depth`, or a list with a picture for each prompt. Of any size and range.
 */
export type DepthInput = ImageInput;

export const depthInput: Field<DepthInput> = field(
  isImageInput,
  "a grey picture whose near parts are bright, or a Tensor [n, height, width]",
);

/** Depth maps as a UNet sees them, [n, 1, height, width] in -1..1, in the size of the latents. Matches diffusers' prepare_depth_map. */
export async function readDepthMaps(input: DepthInput, { height, width }: Size): Promise<Tensor> {
  const maps = (await loadImages(input, loadMask)).map((map) => (map instanceof Tensor ? depthTensor(map) : depthOfPicture(map)));
  // They may be of several sizes.
  return concat(maps.map((map) => normalised(resizeTensorBicubic(map, height, width))));
}

function depthTensor(map: Tensor): Tensor {
  const [n = 0, ...rest] = map.shape;
  const [height = 0, width = 0] = rest.slice(-2);
  if (map.shape.length === 3 || (map.shape.length === 4 && rest[0] === 1)) return map.reshape([n, 1, height, width]);
  throw new ArgumentError(`depthMap is [${map.shape}]; expected [n, height, width]`, { argument: "depthMap" });
}

function depthOfPicture({ width, height, data }: { readonly width: number; readonly height: number; readonly data: Uint8Array }): Tensor {
  const channels = data.length / (width * height);
  return Tensor.from(
    Array.from({ length: width * height }, (_, i) => data[i * channels] as number),
    [1, 1, height, width],
  );
}

/** The least value of each map becomes -1, the largest 1. */
function normalised(maps: Tensor): Tensor {
  const [count = 1] = maps.shape;
  const each = maps.chunk(count).map((map) => {
    const [least, most] = map.data.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity] as [
      number,
      number,
    ]);
    if (least < most) return map.map((value) => (2 * (value - least)) / (most - least) - 1);
    throw new ArgumentError((name) => `${name("depthMap")} has the same depth everywhere`, {
      argument: "depthMap",
      hint: "near parts are bright and far ones dark",
    });
  });
  return concat(each);
}
