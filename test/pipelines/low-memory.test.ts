import { fileURLToPath } from "node:url";
import { expect, it, onTestFinished, vi } from "vitest";
import type { Model } from "../../src/models/model.js";
import { DiffusionPipeline } from "../../src/pipelines/diffusion-pipeline.js";

const checkpoint = (name: string) => fileURLToPath(new URL(`../checkpoints/${name}`, import.meta.url));

/** A pipeline of any family, as this test uses it. */
interface Pipeline extends AsyncDisposable {
  readonly components: Readonly<Record<string, unknown>>;
  generate(request: object): Promise<unknown>;
}

/** Checkpoints of the families with a transformer, and options of guided requests. */
const CASES: readonly (readonly [checkpoint: string, request: object])[] = [
  ["z-image-mini", { guidanceScale: 4 }],
  ["flux-dev-mini", { trueCfgScale: 2, negativePrompt: "a dog" }],
  ["flux2-klein-base-mini", { guidanceScale: 3 }],
  ["chroma-mini", { guidanceScale: 3 }],
  ["sd35-mini", { guidanceScale: 5 }],
  ["qwen-image-mini", { trueCfgScale: 4, negativePrompt: " " }],
];

it.each(CASES)("with lowMemory, no network is loaded while another one is: %s", async (name, more) => {
  const options = { device: "cpu", lowMemory: true } as const;
  const pipe = (await DiffusionPipeline.fromPretrained(checkpoint(name), options)) as unknown as Pipeline;
  onTestFinished(() => pipe[Symbol.asyncDispose]());
  const { engine } = (pipe.components.transformer as Model<object>).parts;
  const load = engine.load.bind(engine);
  const open: string[] = [];
  const order: string[] = [];
  vi.spyOn(engine, "load").mockImplementation(async (graph, loading = {}) => {
    const { network = "" } = loading;
    expect(open.filter((other) => other !== network)).toEqual([]);
    if (order.at(-1) !== network) order.push(network);
    open.push(network);
    const session = await load(graph, loading);
    const release = async () => {
      open.splice(open.indexOf(network), 1);
      await session.release();
    };
    return { run: session.run, release };
  });
  await pipe.generate({ prompt: "a red fox", numInferenceSteps: 2, height: 64, width: 64, seed: 0, outputType: "tensor", ...more });
  expect(open).toEqual([]);
  // FLUX.2's autoencoder gives its statistics first.
  const [transformer, autoencoder] = order.slice(-2);
  expect(transformer).toMatch(/Transformer/);
  expect(autoencoder).toMatch(/^Autoencoder/);
  // Text encoders come before the transformer and never again.
  expect(order.filter((each) => each === transformer)).toHaveLength(1);
  expect(order.length).toBeGreaterThan(2);
});
