import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { clipTextTensors } from "../../bench/checkpoints/clip-text.js";
import { family } from "../../bench/checkpoints/families.js";
import type { Tensors } from "../../bench/checkpoints/tensors.js";
import { unetTensors } from "../../bench/checkpoints/unet.js";
import { vaeTensors } from "../../bench/checkpoints/vae.js";
import { writeGguf } from "../../bench/checkpoints/write-gguf.js";
import { writeHoles, writeWeights } from "../../bench/checkpoints/write-weights.js";
import { authorsTensors, llamaTensors, qwen3Tensors, zImageFamily, zImageTensors } from "../../bench/checkpoints/z-image.js";
import { readGgufHeader } from "../../src/checkpoint/gguf.js";
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

describe("the benchmark's Z-Image", () => {
  const { transformer, textEncoder, vae } = zImageFamily("z-image-full", "real");
  const published = (name: string) =>
    JSON.parse(readFileSync(new URL(`../fixtures/full-size/${name}.json`, import.meta.url), "utf8")) as Record<string, unknown>;
  const hashOf = (tensors: Tensors) =>
    createHash("sha256")
      .update(
        [...tensors]
          .map(([name, shape]) => `${name.replace(/^model\./, "")} [${shape.join(", ")}]`)
          .sort()
          .join("\n"),
      )
      .digest("hex");

  it("has the tensors of the published networks", () => {
    expect(hashOf(zImageTensors(transformer))).toBe(published("z-image_transformer").names_sha256);
    expect(sizes(qwen3Tensors(textEncoder))).toEqual([398, 4_022_468_096]);
    expect(hashOf(vaeTensors(vae))).toBe(published("flux_vae").names_sha256);
  });

  it("has as many numbers in the authors' and llama.cpp's layouts", () => {
    expect(sizes(authorsTensors(transformer))[1]).toBe(sizes(zImageTensors(transformer))[1]);
    expect(sizes(llamaTensors(textEncoder))[1]).toBe(sizes(qwen3Tensors(textEncoder))[1]);
    const names = new Set([...llamaTensors(textEncoder)].map(([name]) => name));
    expect(names.size).toBe(sizes(qwen3Tensors(textEncoder))[0]);
    expect([...names].filter((name) => name.includes("undefined"))).toEqual([]);
  });

  it("has widths of the whole in the few layers that are measured beside peers", () => {
    const cut = zImageFamily("z-image", "real").transformer;
    expect(cut).toEqual({ ...transformer, n_layers: 2, n_refiner_layers: 1 });
  });
});

it("weights can be holes in their file", async () => {
  const { transformer } = zImageFamily("z-image", "tiny");
  const folder = temporaryFolder();
  writeHoles(`${folder}/diffusion_pytorch_model.safetensors`, zImageTensors(transformer), "bf16");
  const weights = await openWeights(await openFolder(folder), {});
  expect(weights.bytes).toBe(sizes(zImageTensors(transformer))[1] * 2);
  expect(weights.get("layers.0.feed_forward.w1.weight")).toMatchObject({ dtype: "bfloat16", shape: [85, 32] });
  expect(statSync(`${folder}/diffusion_pytorch_model.safetensors`).blocks * 512).toBeLessThan(65_536);
});

it.each([
  ["q8_0", "Q8_0"],
  ["q4_0", "Q4_0"],
] as const)("weights are written as GGUF in %s", async (format, expected) => {
  const folder = temporaryFolder();
  const shapes = [
    ["a.weight", [4, 64]],
    ["a.bias", [4]],
    ["b.weight", [3, 33]],
  ] as const;
  writeGguf(`${folder}/x.gguf`, shapes, format, "lumina2");
  const { values, tensors } = await readGgufHeader(await openFolder(folder), "x.gguf");
  expect(values.get("general.architecture")).toBe("lumina2");
  expect([...tensors].map(([name, { shape }]) => [name, shape])).toEqual(shapes);
  expect(JSON.stringify([...tensors][0]?.[1])).toContain(expected);
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
