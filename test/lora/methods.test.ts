import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { StableDiffusionPipeline } from "../../src/pipelines/stable-diffusion.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { setWarningHandler } from "../../src/warnings.js";
import { expectClose, largestDifference } from "../helpers/differences.js";
import { checkpoint, readFixture } from "../helpers/fixtures.js";

/** What fixtures/make/lora_methods.py ran. */
interface Methods {
  readonly checkpoint: string;
  readonly timestep: number;
  readonly cases: readonly { readonly adapter: string; readonly weight: number }[];
}

const { meta, tensor } = readFixture<Methods>("lora-methods", "methods");
const warnings: string[] = [];
let pipe: StableDiffusionPipeline;
beforeAll(async () => {
  setWarningHandler((text) => warnings.push(text));
  pipe = await StableDiffusionPipeline.fromPretrained(checkpoint(meta.checkpoint), { device: "cpu" });
});
afterAll(() => pipe.dispose());

/** A file of LyCORIS', or a folder of PEFT's. */
function adapterFile(name: string): string {
  const ending = name.startsWith("peft_") ? "" : ".safetensors";
  return join(fileURLToPath(new URL("../fixtures/lora-methods/adapters", import.meta.url)), `${name}${ending}`);
}

async function outputs(): Promise<{ sample: Tensor; text: Tensor }> {
  const { sample } = await pipe.unet.forward(tensor("latents") as Tensor, meta.timestep, {
    encoderHiddenStates: tensor("states") as Tensor,
  });
  const { lastHiddenState: text } = await pipe.textEncoder.forward(tensor("ids") as Tensor<"int64">);
  return { sample, text };
}

/** Loads the adapter as the only one. */
async function load(name: string): Promise<void> {
  pipe.unfuseLora();
  pipe.unloadLoraWeights();
  warnings.length = 0;
  await pipe.loadLoraWeights(adapterFile(name), { adapterName: name });
  expect(warnings).toEqual([]);
}

const adapters = [...new Set(meta.cases.map(({ adapter }) => adapter))];

describe.each(adapters)("%s gives Python's results", (adapter) => {
  const weights = meta.cases.flatMap((each) => (each.adapter === adapter ? [each.weight] : []));
  const expected = (weight: number, output: string) => tensor(`${adapter} ${weight.toFixed(1)} ${output}`) as Tensor;

  it(`computed in every run, at weight ${weights.join(" and ")}`, async () => {
    await load(adapter);
    for (const weight of weights) {
      pipe.setAdapters(adapter, weight);
      const found = await outputs();
      expect(largestDifference(found.sample, tensor("plain sample") as Tensor)).toBeGreaterThan(0.3);
      expectClose(found.sample, expected(weight, "sample"), 1e-4);
      expectClose(found.text, expected(weight, "text"), 1e-4);
    }
  });

  it(`fused at weight ${weights.at(-1)}`, async () => {
    const weight = weights.at(-1) ?? 1;
    await load(adapter);
    pipe.fuseLora({ loraScale: weight });
    pipe.unloadLoraWeights();
    const found = await outputs();
    expectClose(found.sample, expected(weight, "sample"), 1e-4);
    expectClose(found.text, expected(weight, "text"), 1e-4);
  });
});

describe("adapters of all methods", () => {
  it("of weight 0 change nothing", async () => {
    await load("dora");
    pipe.setAdapters("dora", 0);
    const found = await outputs();
    expectClose(found.sample, tensor("plain sample") as Tensor, 1e-5);
    expectClose(found.text, tensor("plain text") as Tensor, 1e-5);
  });

  it("add up", async () => {
    await load("loha");
    pipe.setAdapters("loha", 0.5);
    const half = await outputs();
    await pipe.loadLoraWeights(adapterFile("loha"), { adapterName: "again" });
    await pipe.loadLoraWeights(adapterFile("lokr"), { adapterName: "other" });
    pipe.setAdapters(["loha", "again", "other"], [0.2, 0.3, 0]);
    const found = await outputs();
    expectClose(found.sample, half.sample, 1e-4);
    expectClose(found.text, half.text, 1e-4);
  });

  it("take weights of single blocks", async () => {
    await load("full");
    pipe.setAdapters("full", { unet: { down: 0, mid: 0, up: 0 }, textEncoder: 0 });
    const without = await outputs();
    // Of this file's layers only the one at the way down's second level is in no block with transformers.
    expect(largestDifference(without.sample, tensor("plain sample") as Tensor)).toBeGreaterThan(0.01);
    expectClose(without.text, tensor("plain text") as Tensor, 1e-5);
    pipe.setAdapters("full", { unet: { down: 1, mid: 1, up: 1 }, textEncoder: 1 });
    expectClose((await outputs()).sample, tensor("full 1.0 sample") as Tensor, 1e-4);
  });

  it("are computed with sliced attention, too", async () => {
    await load("lokr");
    pipe.enableAttentionSlicing("max");
    const found = await outputs();
    pipe.disableAttentionSlicing();
    expectClose(found.sample, tensor("lokr 1.0 sample") as Tensor, 1e-4);
  });
});
