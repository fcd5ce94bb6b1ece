import { describe, expect, it } from "vitest";
import { clipTextTensors } from "../../bench/checkpoints/clip-text.js";
import { family } from "../../bench/checkpoints/families.js";
import type { Tensors } from "../../bench/checkpoints/tensors.js";
import { unetTensors } from "../../bench/checkpoints/unet.js";
import { vaeTensors } from "../../bench/checkpoints/vae.js";
import { writeWeights } from "../../bench/checkpoints/write-weights.js";
import { openWeights } from "../../src/checkpoint/weights.js";
import { openFolder } from "../../src/platform/node/folder.js";
import { temporaryFolder } from "../helpers/temporary.js";

/** How many tensors, and how many numbers in them. */
function sizes(tensors: Tensors): [tensors: number, numbers: number] {
  const shapes = [...tensors].map(([, shape]) => shape.reduce((product, extent) => product * extent, 1));
  return [shapes.length, shapes.reduce((sum, size) => sum + size, 0)];
}

// Counted in the published checkpoints.
describe("the benchmark's checkpoints have the sizes of published ones", () => {
  it("Stable Diffusion 1.5", () => {
    const { unet, vae, textEncoders } = family("sd15", "real");
    expect(sizes(unetTensors(unet))).toEqual([686, 859_520_964]);
    expect(sizes(vaeTensors(vae))).toEqual([248, 83_653_863]);
    expect(textEncoders.map((encoder) => sizes(clipTextTensors(encoder)))).toEqual([[196, 123_060_480]]);
  });

  it("Stable Diffusion XL", () => {
    const { unet, textEncoders } = family("sdxl", "real");
    expect(sizes(unetTensors(unet))).toEqual([1680, 2_567_463_684]);
    expect(textEncoders.map((encoder) => sizes(clipTextTensors(encoder))[1])).toEqual([123_060_480, 694_659_840]);
  });
});

it.each(["fp32", "fp16"] as const)(
  "weights are written in %s as a safetensors file with every tensor's name and shape",
  async (precision) => {
    const { vae } = family("sd15", "tiny");
    const folder = temporaryFolder();
    writeWeights(`${folder}/diffusion_pytorch_model.safetensors`, vaeTensors(vae), precision);
    const weights = await openWeights(await openFolder(folder), {});
    expect(weights.bytes).toBe(sizes(vaeTensors(vae))[1] * (precision === "fp32" ? 4 : 2));
  },
);
