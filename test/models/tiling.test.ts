import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ConfigError } from "../../src/errors.js";
import { AutoencoderKL } from "../../src/models/autoencoder-kl.js";
import { layeredTiles } from "../../src/models/tiling.js";
import { Generator, randn } from "../../src/tensor/random.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { largestDifference } from "../helpers/differences.js";
import { readTensors } from "../helpers/safetensors.js";

const fixture = readTensors("test/fixtures/tiling/vae_sd1-mini.safetensors") as Record<
  "latents" | "decoded" | "image" | "mean" | "logvar",
  Tensor
>;

describe("an autoencoder that saves memory", () => {
  let vae: AutoencoderKL;
  beforeAll(async () => {
    vae = await AutoencoderKL.fromPretrained("test/checkpoints/sd1-mini", { subfolder: "vae" });
  });
  afterAll(() => vae.dispose());

  it("decodes in tiles like diffusers", async () => {
    vae.memory.tiling = true;
    vae.memory.slicing = true;
    expect(largestDifference((await vae.decode(fixture.latents)).sample, fixture.decoded)).toBeLessThan(1e-4);
  });

  it("encodes in tiles like diffusers", async () => {
    vae.memory.tiling = true;
    const { latentDist } = await vae.encode(fixture.image);
    expect(largestDifference(latentDist.mean, fixture.mean)).toBeLessThan(1e-4);
    expect(largestDifference(latentDist.logvar, fixture.logvar)).toBeLessThan(1e-4);
  });

  it("gives the same pictures one by one and all at once", async () => {
    vae.memory.tiling = false;
    vae.memory.slicing = false;
    const whole = await vae.decode(fixture.latents);
    vae.memory.slicing = true;
    expect(largestDifference((await vae.decode(fixture.latents)).sample, whole.sample)).toBeLessThan(1e-5);
  });
});

describe("layered tiles", () => {
  it("give back what went in when each tile is left as it is", async () => {
    const x = randn([1, 2, 20, 30], new Generator(0));
    const same = await layeredTiles(x, { size: 16, stride: 12, blend: 4, ratio: 1 }, async (tile) => tile);
    expect(largestDifference(same, x)).toBeLessThan(1e-6);
  });

  it("too small to overlap are refused", async () => {
    const x = randn([1, 2, 20, 30], new Generator(0));
    const work = layeredTiles(x, { size: 1, stride: 0.5, blend: 0, ratio: 1 }, async (tile) => tile);
    await expect(work).rejects.toThrow(ConfigError);
  });
});
