import { describe, expect, it, onTestFinished } from "vitest";
import { DeviceError } from "../../src/errors.js";
import { AutoencoderKL } from "../../src/models/autoencoder-kl.js";
import { UNet2DConditionModel } from "../../src/models/unet-2d-condition.js";
import { createEngine } from "../../src/platform/node/engine.js";
import type { Engine } from "../../src/runtime/engine.js";
import { Generator, randn } from "../../src/tensor/random.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { checkpoint } from "../helpers/fixtures.js";

interface Counts {
  loaded: number;
  released: number;
  disposed: number;
}

/** The CPU's engine, with counts of its calls. */
async function countingEngine(lowMemory = false): Promise<{ engine: Engine; counts: Counts }> {
  const real = await createEngine({ device: "cpu" });
  onTestFinished(() => real.dispose());
  const counts = { loaded: 0, released: 0, disposed: 0 };
  const engine: Engine = {
    device: real.device,
    capabilities: real.capabilities,
    lowMemory,
    load: async (model) => {
      counts.loaded++;
      const session = await real.load(model);
      return {
        run: (...inputs) => session.run(...inputs),
        release: () => {
          counts.released++;
          return session.release();
        },
      };
    },
    dispose: async () => {
      counts.disposed++;
    },
  };
  return { engine, counts };
}

const openVae = (engine?: Engine) => AutoencoderKL.fromPretrained(checkpoint("sd1-mini"), { subfolder: "vae", engine });
const latentsOf = (height: number, width: number, batch = 1) => randn([batch, 4, height, width], new Generator(height * width));
const decode = async (vae: AutoencoderKL, latents: Tensor) => (await vae.decode(latents)).sample;

describe("a model", () => {
  it("loads its network once for each shape", async () => {
    const { engine, counts } = await countingEngine();
    const vae = await openVae(engine);
    for (const latents of [latentsOf(4, 4), latentsOf(4, 4), latentsOf(4, 6), latentsOf(4, 4)]) await decode(vae, latents);
    expect(counts).toEqual({ loaded: 2, released: 0, disposed: 0 });
  });

  it("loads nothing before it is used", async () => {
    const { engine, counts } = await countingEngine();
    await openVae(engine);
    expect(counts.loaded).toBe(0);
  });

  it("keeps three shapes and releases the least recently used", async () => {
    const { engine, counts } = await countingEngine();
    const vae = await openVae(engine);
    for (const width of [2, 4, 6, 8]) await decode(vae, latentsOf(4, width));
    expect(counts).toEqual({ loaded: 4, released: 1, disposed: 0 });
    await decode(vae, latentsOf(4, 4));
    expect(counts.loaded).toBe(4);
  });

  it("computes right pictures for more concurrent calls than it keeps shapes", async () => {
    const { engine } = await countingEngine();
    const vae = await openVae(engine);
    const inputs = [2, 4, 6, 8, 10, 12].map((width) => latentsOf(4, width));
    const together = await Promise.all(inputs.map((latents) => decode(vae, latents)));
    for (const [i, latents] of inputs.entries()) expect(together[i]).toEqual(await decode(vae, latents));
  });

  it("keeps the whole UNet and its shallow part loaded until it rests, even if memory comes before speed", async () => {
    const { engine, counts } = await countingEngine(true);
    const unet = await UNet2DConditionModel.fromPretrained(checkpoint("sd1-mini"), { subfolder: "unet", engine });
    const inputs = { encoderHiddenStates: randn([1, 7, 32], new Generator(0)), cacheBranch: 0 };
    for (const timestep of [900, 500, 100]) {
      const { deepFeature } = await unet.forward(latentsOf(8, 8), timestep, inputs);
      await unet.forward(latentsOf(8, 8), timestep - 50, { ...inputs, deepFeature });
    }
    expect(counts).toEqual({ loaded: 2, released: 0, disposed: 0 });
    await unet.rest();
    expect(counts.released).toBe(2);
  });

  it("releases its networks on dispose, but does not stop an engine that it was given", async () => {
    const { engine, counts } = await countingEngine();
    const vae = await openVae(engine);
    await decode(vae, latentsOf(4, 4));
    await vae.dispose();
    expect(counts).toEqual({ loaded: 1, released: 1, disposed: 0 });
  });

  it("rejects calls after dispose", async () => {
    const { engine } = await countingEngine();
    const vae = await openVae(engine);
    await vae.dispose();
    await expect(decode(vae, latentsOf(4, 4))).rejects.toThrow(new DeviceError("the pipeline or model was disposed"));
  });

  it("is disposed of at the end of its block with await using", async () => {
    const { engine, counts } = await countingEngine();
    const vae = await openVae(engine);
    await decode(vae, latentsOf(4, 4));
    await vae[Symbol.asyncDispose]();
    expect(counts.released).toBe(1);
  });

  it("completes a call in progress before it is disposed", async () => {
    const vae = await openVae();
    const call = decode(vae, latentsOf(4, 4));
    await vae.dispose();
    expect((await call).shape).toEqual([1, 3, 8, 8]);
  });

  it("leaves its inputs as they were", async () => {
    const { engine } = await countingEngine();
    const latents = latentsOf(4, 4);
    const before = [...latents.data];
    await decode(await openVae(engine), latents);
    expect([...latents.data]).toEqual(before);
  });
});
