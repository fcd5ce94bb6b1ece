import { describe, expect, it } from "vitest";
import { retrieveLatents } from "../../src/models/autoencoder.js";
import { AutoencoderKL } from "../../src/models/autoencoder-kl.js";
import { AutoencoderTiny } from "../../src/models/autoencoder-tiny.js";
import { Generator } from "../../src/tensor/random.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { expectClose } from "../helpers/differences.js";
import { checkpoint, readFixture } from "../helpers/fixtures.js";

const open = (name: string) => AutoencoderTiny.fromPretrained(checkpoint(name), { device: "cpu" });
const CASES = [
  ["taesd-mini", "models", "taesd-mini"],
  ["TAESD's own four levels", "options", "tiny-plain"],
  ["taef1's and taesd3's 16 channels of latents", "options", "taef1-mini"],
  ["levels without blocks, upsampling by 3, another activation", "options", "tiny-odd"],
] as const;

describe("AutoencoderTiny", () => {
  it.each(CASES)("encodes like diffusers: %s", async (_, group, name) => {
    const { meta, tensor } = readFixture<{ checkpoint: string }>(group, name);
    await using vae = await open(meta.checkpoint);
    expectClose((await vae.encode(tensor("image") as Tensor)).latents, tensor("encoded"));
  });

  it.each(CASES)("decodes like diffusers: %s", async (_, group, name) => {
    const { meta, tensor } = readFixture<{ checkpoint: string }>(group, name);
    await using vae = await open(meta.checkpoint);
    expectClose((await vae.decode(tensor("latents") as Tensor)).sample, tensor("decoded"));
  });

  it("scales latents to 0..1 and back", async () => {
    const { tensor } = readFixture("options", "tiny-plain");
    await using vae = await open("options/tiny-plain");
    expectClose(vae.scaleLatents(tensor("latents") as Tensor), tensor("scaled"), 1e-7);
    expectClose(vae.unscaleLatents(tensor("latents") as Tensor), tensor("unscaled"), 1e-6);
  });

  it("halves both sides for every level but one", async () => {
    await using vae = await open("options/tiny-plain");
    expect(vae.scaleFactor).toBe(8);
  });
});

describe("retrieveLatents", () => {
  it("returns the tiny autoencoder's latents unchanged", async () => {
    const { tensor } = readFixture("models", "taesd-mini");
    await using vae = await open("taesd-mini");
    expectClose(retrieveLatents(await vae.encode(tensor("image") as Tensor), new Generator(0)), tensor("encoded"));
  });

  it("draws from a distribution with a generator", async () => {
    const { tensor } = readFixture("models", "vae_sd1-mini");
    await using vae = await AutoencoderKL.fromPretrained(checkpoint("sd1-mini/vae"), { device: "cpu" });
    expectClose(retrieveLatents(await vae.encode(tensor("image") as Tensor), new Generator(5)), tensor("sampled"));
  });

  it("returns a distribution's mean without one", async () => {
    const { tensor } = readFixture("models", "vae_sd1-mini");
    await using vae = await AutoencoderKL.fromPretrained(checkpoint("sd1-mini/vae"), { device: "cpu" });
    expectClose(retrieveLatents(await vae.encode(tensor("image") as Tensor)), tensor("mean"));
  });
});
