import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { MemoryError } from "../../src/errors.js";
import { Picture } from "../../src/image/picture.js";
import { Model } from "../../src/models/model.js";
import { DiffusionPipeline } from "../../src/pipelines/diffusion-pipeline.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { collectWarnings } from "../helpers/warnings.js";

const checkpoint = (name: string) => fileURLToPath(new URL(`../checkpoints/${name}`, import.meta.url));

/** A pipeline of any family, as these tests use it. */
interface Pipeline extends AsyncDisposable {
  readonly components: Readonly<Record<string, unknown>>;
  generate(request: object): Promise<{ readonly images: Tensor }>;
}

/** Checkpoints of the families with a transformer, and requests: guided, with several pictures, of a picture. */
const CASES: readonly (readonly [checkpoint: string, request: object])[] = [
  ["z-image-mini", { guidanceScale: 4, negativePrompt: "a dog" }],
  ["z-image-mini", { guidanceScale: 0, numImagesPerPrompt: 2 }],
  ["flux-dev-mini", {}],
  ["flux-schnell-mini", {}],
  ["flux2-klein-base-mini", { guidanceScale: 3 }],
  ["flux2-klein-mini", { image: new Picture(64, 96, new Uint8Array(3 * 64 * 96).fill(99)) }],
  ["chroma-mini", { guidanceScale: 3 }],
  ["sd3-mini", { guidanceScale: 5 }],
  ["sd35-mini", { guidanceScale: 1 }],
  ["qwen-image-mini", { trueCfgScale: 4, negativePrompt: " " }],
];

/** Opens a checkpoint on a CPU that has as much memory as `memory.bytes` says. */
async function open(name: string) {
  const pipe = (await DiffusionPipeline.fromPretrained(checkpoint(name), { device: "cpu" })) as unknown as Pipeline;
  onTestFinished(() => pipe[Symbol.asyncDispose]());
  const { engine } = (pipe.components.transformer as Model<object>).parts;
  const memory = { bytes: Number.POSITIVE_INFINITY };
  Object.defineProperty(engine, "availableMemory", { value: () => memory.bytes });
  const load = vi.spyOn(engine, "load");
  return { pipe, memory, networks: () => load.mock.calls.map(([, options]) => options?.network) };
}

const REQUEST = { prompt: "a red fox", numInferenceSteps: 2, height: 64, width: 64, seed: 0, outputType: "latent" };

describe("a pipeline with a transformer", () => {
  it.each(CASES)("refuses what its transformer has no room for before the prompt is read: %s", async (name, more) => {
    const { pipe, memory, networks } = await open(name);
    memory.bytes = 1000;
    const error = (await pipe.generate({ ...REQUEST, ...more, image: undefined }).catch((error: unknown) => error)) as MemoryError;
    expect(error).toBeInstanceOf(MemoryError);
    const { transformer } = pipe.components;
    expect(error.message).toMatch(
      new RegExp(`^${(transformer as Model<object>).className} needs at least .* GB of memory for this request; there are 0.0 GB`),
    );
    expect(error.hint).toContain("lowMemory: true");
    expect(error.hint).toContain('quantize: "q4"');
    // FLUX.2's autoencoder holds the statistics of latents, which are small.
    expect(networks().filter((network) => network !== "AutoencoderKLFlux2")).toEqual([]);
  });

  it.each(CASES)("makes the same picture if the room is enough, and reads the prompt once: %s", async (name, more) => {
    const { pipe, memory, networks } = await open(name);
    const warnings = collectWarnings();
    const request = { ...REQUEST, ...more };
    const { images: unchecked } = await pipe.generate(request);
    const [before, loaded] = [warnings.length, networks().length];
    memory.bytes = 1e9;
    const check = vi.spyOn(Model.prototype, "expectRoom");
    const { images: checked } = await pipe.generate(request);
    expect(check).toHaveBeenCalled();
    check.mockRestore();
    expect(checked.shape).toEqual(unchecked.shape);
    expect(Math.max(...checked.sub(unchecked).toArray().map(Math.abs))).toBe(0);
    // The sessions of the first call serve the second one.
    expect(networks().length).toBeLessThanOrEqual(loaded * 2);
    expect(warnings.length).toBe(2 * before);
  });
});
