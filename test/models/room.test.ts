import { fileURLToPath } from "node:url";
import { expect, it, onTestFinished, vi } from "vitest";
import { MemoryError } from "../../src/errors.js";
import { AutoencoderKL } from "../../src/models/autoencoder-kl.js";
import { FluxTransformer2DModel } from "../../src/models/flux-transformer-2d.js";
import { StableDiffusionPipeline } from "../../src/pipelines/stable-diffusion.js";
import { createEngine } from "../../src/platform/node/platform.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { setWarningHandler } from "../../src/warnings.js";

const SD1 = fileURLToPath(new URL("../checkpoints/sd1-mini", import.meta.url));
const SCHNELL = fileURLToPath(new URL("../checkpoints/flux-schnell-mini", import.meta.url));
const LARGE = Tensor.zeros([1, 4, 2048, 2048]);

/** An engine on a CPU with so much memory. */
async function engineWith(bytes: number | undefined) {
  const engine = await createEngine({ device: "cpu" });
  onTestFinished(() => engine.dispose());
  Object.defineProperty(engine, "availableMemory", { value: () => bytes, configurable: true });
  return engine;
}

it("a network refuses a call that does not fit into memory, before it is loaded", async () => {
  const engine = await engineWith(1e8);
  const load = vi.spyOn(engine, "load");
  await using vae = await AutoencoderKL.fromPretrained(SD1, { subfolder: "vae", engine });
  await expect(vae.decode(LARGE)).rejects.toThrow(MemoryError);
  await expect(vae.decode(LARGE)).rejects.toThrow(/AutoencoderKL needs at least .* GB of memory for this request; there are 0\.1 GB/);
  expect(load).not.toHaveBeenCalled();
  expect((await vae.decode(Tensor.zeros([1, 4, 8, 8]))).sample.shape.slice(0, 2)).toEqual([1, 3]);
});

it("the room for a call can be checked without a run", async () => {
  const engine = await engineWith(1e8);
  const load = vi.spyOn(engine, "load");
  await using vae = await AutoencoderKL.fromPretrained(SD1, { subfolder: "vae", engine });
  await expect(vae.expectRoom(1e12, (network) => network.decode(LARGE))).rejects.toThrow(MemoryError);
  await vae.expectRoom(1e12, (network) => network.decode(Tensor.zeros([1, 4, 8, 8])));
  vae.memory.tiling = true;
  await vae.expectRoom(1e12, (network) => network.decode(Tensor.zeros([1, 4, 256, 256])));
  // So much is there.
  await vae.expectRoom(1e7, () => expect.fail("nothing is to be checked"));
  expect(load).not.toHaveBeenCalled();
});

it.each([
  ["flux-schnell-mini", 'quantize: "q4"'],
  ["quantised/flux-schnell-mini-Q8_0.gguf", undefined],
])("smaller weights are a way out only if they are not quantised yet: %s", async (path, way) => {
  const engine = await engineWith(1000);
  const file = fileURLToPath(new URL(`../checkpoints/${path}`, import.meta.url));
  await using network = await (way === undefined
    ? FluxTransformer2DModel.fromSingleFile(file, { config: SCHNELL, engine })
    : FluxTransformer2DModel.fromPretrained(file, { subfolder: "transformer", engine }));
  const { inChannels, jointAttentionDim, pooledProjectionDim } = network.config;
  const inputs = {
    encoderHiddenStates: Tensor.zeros([1, 4, jointAttentionDim]),
    pooledProjections: Tensor.zeros([1, pooledProjectionDim]),
    imgIds: Tensor.zeros([4, 3]),
    txtIds: Tensor.zeros([4, 3]),
  };
  const error = await network.forward(Tensor.zeros([1, 4, inChannels]), 1, inputs).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(MemoryError);
  expect((error as MemoryError).hint?.includes("quantize")).toBe(way !== undefined);
});

it("weights that are larger than the memory are warned about once", async () => {
  const warnings: string[] = [];
  const previous = setWarningHandler((message) => warnings.push(message));
  onTestFinished(() => void setWarningHandler(previous));
  const engine = await engineWith(undefined);
  await using vae = await AutoencoderKL.fromPretrained(SD1, { subfolder: "vae", engine });
  Object.defineProperty(engine, "availableMemory", { value: () => vae.weights.bytes - 1 });
  for (const width of [1, 2]) await vae.decode(Tensor.zeros([1, 4, 1, width]));
  expect(warnings).toHaveLength(1);
  expect(warnings[0]).toContain("so every step reads weights from the disk");
});

it("a pipeline refuses pictures that it could not decode before the first step", async () => {
  await using pipe = await StableDiffusionPipeline.fromPretrained(SD1, { device: "cpu" });
  const forward = vi.spyOn(pipe.unet, "forward");
  const refusal = new MemoryError("too large", { needed: 2, available: 1 });
  vi.spyOn(pipe.vae, "decode").mockRejectedValue(refusal);
  const engine = (pipe.vae as unknown as { engine: object }).engine;
  Object.defineProperty(engine, "availableMemory", { value: () => 1e6 });
  const request = { prompt: "a fox", numInferenceSteps: 2, height: 64, width: 64, seed: 0 };
  await expect(pipe.generate(request)).rejects.toBe(refusal);
  expect(forward).not.toHaveBeenCalled();
});

it("pictures that do not fit all at once are decoded one after another", async () => {
  await using pipe = await StableDiffusionPipeline.fromPretrained(SD1, { device: "cpu" });
  const request = {
    prompt: "a fox",
    numInferenceSteps: 1,
    height: 64,
    width: 64,
    seed: 0,
    numImagesPerPrompt: 2,
    outputType: "tensor",
  } as const;
  const { images: together } = await pipe.generate(request);
  const decode = pipe.vae.decode.bind(pipe.vae);
  vi.spyOn(pipe.vae, "decode").mockImplementation(async (latents: Tensor) => {
    if ((latents.shape[0] ?? 0) > 1) throw new MemoryError("too large", { needed: 2, available: 1 });
    return decode(latents);
  });
  const { images: apart } = await pipe.generate(request);
  expect(apart.shape).toEqual(together.shape);
  expect(Math.max(...apart.sub(together).toArray().map(Math.abs))).toBeLessThan(1e-5);
});
