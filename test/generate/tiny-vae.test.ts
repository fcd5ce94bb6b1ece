import { expect, it } from "vitest";
import { FAMILIES } from "../../src/families/lookups.js";
import { tinyAutoencoderOf } from "../../src/families/tiny-autoencoders.js";
import { generate } from "../../src/generate/generate.js";
import { checkpoint } from "../helpers/fixtures.js";
import { HubServer } from "../helpers/hub-server.js";

const REQUEST = { prompt: "a cat", width: 32, height: 32, numInferenceSteps: 1, seed: 0, device: "cpu" } as const;
const TINY = { "madebyollin/taesd": "taesd-mini", "madebyollin/taesdxl": "taesd-mini" };

const pixels = async (request: Parameters<typeof generate>[0]) => (await generate(request)).pictures[0]?.image.data;

it.each([
  ["Stable Diffusion 1", "sd1-mini"],
  ["Stable Diffusion XL", "sdxl-base-mini"],
])("taesd decodes the latents of %s as the network of that name does, and is all that is downloaded", async (_, name) => {
  const hub = await HubServer.start(TINY);
  const request = { ...REQUEST, model: checkpoint(name) };
  const found = await pixels({ ...request, vae: "taesd" });
  expect(found).toEqual(await pixels({ ...request, vae: checkpoint("taesd-mini") }));
  expect(found).not.toEqual(await pixels(request));
  expect(new Set(hub.fetched)).toEqual(new Set(["config.json", "diffusion_pytorch_model.safetensors"]));
});

it("taesd takes the place of a checkpoint's weights on the hub, which are not downloaded", async () => {
  const hub = await HubServer.start({ ...TINY, "someone/model": "sd1-mini" });
  await generate({ ...REQUEST, model: "someone/model", vae: "taesd" });
  expect(hub.fetched).toContain("vae/config.json");
  expect(hub.fetched).not.toContain("vae/diffusion_pytorch_model.safetensors");
});

it("a family without a tiny autoencoder is refused before anything is downloaded", async () => {
  const hub = await HubServer.start(TINY);
  const making = generate({ ...REQUEST, model: checkpoint("qwen-image-mini"), vae: "taesd" });
  await expect(making).rejects.toThrow(/^vae is "taesd"; there is none for the latents of Qwen-Image$/);
  expect(hub.fetched).toEqual([]);
});

it("a checkpoint whose latents are others is refused", async () => {
  await HubServer.start(TINY);
  await expect(generate({ ...REQUEST, vae: "taesd" })).rejects.toThrow(
    'vae is "taesd", for latents with 4 channels and 2 pixels for each latent; the checkpoint\'s have 8 channels and 8 pixels for each latent',
  );
});

it("every family with latents of a known autoencoder has its tiny one", () => {
  const without = FAMILIES.filter(({ parts, id }) => "vae" in parts && tinyAutoencoderOf(id) === undefined).map(({ id }) => id);
  expect(without.sort()).toEqual(["flux2-klein", "latent-upscaler", "qwen-image", "qwen-image-edit", "x4-upscaler"]);
});
