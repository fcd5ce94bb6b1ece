import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ArgumentError, ConfigError } from "../../src/errors.js";
import { AutoencoderKLQwenImage } from "../../src/models/autoencoder-kl-qwen-image.js";
import { Generator, randn } from "../../src/tensor/random.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { changedPart } from "../helpers/checkpoints.js";
import { largestDifference } from "../helpers/differences.js";
import { checkpoint } from "../helpers/fixtures.js";
import { readTensors } from "../helpers/safetensors.js";

const fixture = JSON.parse(readFileSync("test/fixtures/tiling/vae_qwen-image-mini.json", "utf8"));
const expected = readTensors("test/fixtures/tiling/vae_qwen-image-mini.safetensors") as Record<"mean" | "decoded", Tensor>;

describe("Qwen-Image's autoencoder", () => {
  let vae: AutoencoderKLQwenImage;
  beforeAll(async () => {
    vae = await AutoencoderKLQwenImage.fromPretrained(checkpoint("qwen-image-mini/vae"));
  });
  afterAll(() => vae.dispose());

  const [height, width] = fixture.size as [number, number];
  const image = randn([2, 3, 1, height, width], new Generator(fixture.seeds.image)).clamp(-1, 1);
  const latents = randn([1, 4, 1, height / 4, width / 4], new Generator(fixture.seeds.latents));

  it("encodes in tiles like diffusers, whole batches and one by one", async () => {
    vae.memory.tiling = true;
    for (const slicing of [false, true]) {
      vae.memory.slicing = slicing;
      const { latentDist } = await vae.encode(image);
      expect(largestDifference(everyNth(latentDist.mean, fixture.step), expected.mean)).toBeLessThan(1e-4);
    }
  });

  it("decodes in tiles like diffusers, without limiting the result", async () => {
    vae.memory.tiling = true;
    const { sample } = await vae.decode(latents);
    expect(largestDifference(everyNth(sample, fixture.step), expected.decoded)).toBeLessThan(1e-4);
    expect(largestDifference(sample, sample.clamp(-1, 1))).toBeGreaterThan(0.1);
  });

  it("limits pictures that it decodes whole", async () => {
    vae.memory.tiling = false;
    const { sample } = await vae.decode(latents);
    expect(largestDifference(sample, sample.clamp(-1, 1))).toBe(0);
  });

  it("takes pictures without an axis of frames, too", async () => {
    const small = randn([2, 3, 16, 24], new Generator(3)).clamp(-1, 1);
    const [{ latentDist: flat }, { latentDist: framed }] = [await vae.encode(small), await vae.encode(small.reshape([2, 3, 1, 16, 24]))];
    expect(flat.mean.shape).toEqual([2, 4, 4, 6]);
    expect(flat.mean.reshape([2, 4, 1, 4, 6])).toEqual(framed.mean);
    expect((await vae.decode(flat.mean)).sample.shape).toEqual([2, 3, 16, 24]);
  });

  it("refuses films, other channels, and sides that latents do not divide", async () => {
    const zeros = (...shape: number[]) => Tensor.zeros(shape);
    await expect(vae.encode(zeros(1, 3, 5, 16, 16))).rejects.toThrow("image is [1, 3, 5, 16, 16]; expected [batch, 3, 1, height, width]");
    await expect(vae.encode(zeros(1, 4, 16, 16))).rejects.toThrow(ArgumentError);
    await expect(vae.encode(zeros(1, 3, 1, 16, 18))).rejects.toThrow("picture of 18x16: both sides must be divisible by 4");
    await expect(vae.decode(zeros(1, 4, 2, 4, 4))).rejects.toThrow("latents is [1, 4, 2, 4, 4]; expected [batch, 4, 1, height, width]");
  });
});

it.each([
  [{ temperal_downsample: [true] }, "temperal_downsample has 1 entries; expected 2, one fewer than dim_mult"],
  [{ latents_std: [1, 1] }, "latents_std has 2 entries; z_dim is 4"],
])("a config with %o is refused", async (change, message) => {
  const opened = AutoencoderKLQwenImage.fromPretrained(changedPart("qwen-image-mini/vae", { config: change }));
  await expect(opened).rejects.toThrow(ConfigError);
  await expect(opened).rejects.toThrow(message);
});

/** Every `step`th row and column. */
function everyNth(x: Tensor, step: number): Tensor {
  const [height = 0, width = 0] = x.shape.slice(-2);
  const [rows, columns] = [Math.ceil(height / step), Math.ceil(width / step)];
  const planes = x.data.length / (height * width);
  const data = Float32Array.from({ length: planes * rows * columns }, (_, i) => {
    const [plane, row, column] = [Math.floor(i / (rows * columns)), Math.floor(i / columns) % rows, i % columns];
    return x.data[(plane * height + row * step) * width + column * step] as number;
  });
  return new Tensor("float32", [...x.shape.slice(0, -2), rows, columns], data);
}
