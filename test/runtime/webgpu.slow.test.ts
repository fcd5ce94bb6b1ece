import { existsSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Graph, type Value } from "../../src/graph/graph.js";
import type { Target } from "../../src/graph/lowering.js";
import { gatedGelu, gelu, hasGatedGelu } from "../../src/graph/ops/activations.js";
import { attention } from "../../src/graph/ops/attention.js";
import { conv2d } from "../../src/graph/ops/conv2d.js";
import { cos, mul, scale, sin } from "../../src/graph/ops/elementwise.js";
import { narrow } from "../../src/graph/ops/precision.js";
import { split } from "../../src/graph/ops/shapes.js";
import { UNet2DConditionModel } from "../../src/models/unet-2d-condition.js";
import { createEngine } from "../../src/platform/node/engine.js";
import type { Engine } from "../../src/runtime/engine.js";
import { Generator, randn } from "../../src/tensor/random.js";
import { type Shape, Tensor } from "../../src/tensor/tensor.js";
import { largestDifference } from "../helpers/differences.js";
import { readTensors } from "../helpers/safetensors.js";

// A driver is needed, a GPU is not: the software driver that comes with Debian's chromium serves, with libvulkan1.
const softwareDriver = "/usr/lib/chromium/vk_swiftshader_icd.json";
if (existsSync(softwareDriver)) process.env.VK_ICD_FILENAMES ??= softwareDriver;
const gpu = await createEngine({ device: "webgpu" }).catch(() => undefined);

describe.skipIf(!gpu)("WebGPU", () => {
  let cpu: Engine;
  beforeAll(async () => {
    cpu = await createEngine({ device: "cpu" });
  });
  afterAll(() => Promise.all([cpu.dispose(), gpu?.dispose()]));

  async function onBoth(inputs: readonly Tensor[], build: (...values: Value[]) => Value): Promise<[Tensor, Tensor]> {
    const run = async (engine: Engine, target: Target) => {
      const graph = new Graph({ capabilities: { device: target } });
      graph.output("out", build(...inputs.map(({ shape }, i) => graph.input(`in${i}`, "float32", shape))));
      const session = await engine.load(graph.finish());
      const { out } = await session.run(Object.fromEntries(inputs.map((input, i) => [`in${i}`, input])));
      await session.release();
      return out as Tensor;
    };
    return [await run(cpu, "cpu"), await run(gpu as Engine, "webgpu")];
  }

  const noise = (...shapes: Shape[]) => {
    const generator = new Generator(0);
    return shapes.map((shape) => randn(shape, generator));
  };

  it.each([4, 40])("attends like the CPU with heads %d wide", async (width) => {
    const [a, b] = await onBoth(noise([2, 64, 2 * width], [2, 77, 2 * width], [2, 77, 2 * width]), (q, k, v) =>
      attention(q as Value, k as Value, v as Value, 2),
    );
    expect(largestDifference(a, b)).toBeLessThan(1e-5);
  });

  it("finds out whether the fused attention is right: on drivers in software it is not", () => {
    expect(gpu?.capabilities.fusedAttention).toBe(!process.env.VK_ICD_FILENAMES?.includes("swiftshader"));
  });

  it("attends like the CPU under a mask", async () => {
    const inputs = noise([2, 77, 32], [2, 77, 32], [2, 77, 32], [1, 1, 77, 77]);
    const [a, b] = await onBoth(inputs, (q, k, v, mask) => attention(q as Value, k as Value, v as Value, 4, mask));
    expect(largestDifference(a, b)).toBeLessThan(1e-5);
  });

  it.each([3, 4, 6, 9])("convolves like the CPU over %d channels", async (channels) => {
    const [a, b] = await onBoth(noise([2, channels, 16, 24], [16, channels, 3, 3]), (x, w) =>
      conv2d(x as Value, w as Value, undefined, { padding: 1 }),
    );
    expect(largestDifference(a, b)).toBeLessThan(1e-4);
  });

  it.each([
    ["sine", sin],
    ["cosine", cos],
  ])("has the CPU's %s for timesteps in the hundreds", async (_, wave) => {
    const angles = Tensor.from(Array.from({ length: 200 }, (__, i) => i * 4.99));
    const [a, b] = await onBoth([angles], (x) => wave(x as Value));
    expect(largestDifference(a, b)).toBeLessThan(1e-6);
  });

  it.each([64, 2560])("gates a GELU of %d numbers like the CPU, in one operation", async (width) => {
    const [a, b] = await onBoth(noise([2, 5, width]), (x) => {
      const [value, gate] = split(x as Value, 2, 2) as [Value, Value];
      return hasGatedGelu(x as Value, width) ? gatedGelu(x as Value) : mul(value, gelu(gate));
    });
    expect(new Graph({ capabilities: { device: "webgpu" } }).lowering.gatedGelu(width, "float32")).toBe(true);
    expect(largestDifference(a, b)).toBeLessThan(1e-5);
  });

  it("computes fast mode in half precision, or exactly if the device has none", async () => {
    const fast = await createEngine({ device: "webgpu", precision: "fast" });
    const graph = new Graph({
      capabilities: { device: "webgpu", halfPrecision: fast.precision === "fast" },
      precision: fast.precision,
    });
    graph.output("y", scale(narrow(graph.input("x", "float32", [1])), 3));
    const session = await fast.load(graph.finish());
    const { y } = await session.run({ x: Tensor.from([1 + 2 ** -12]) });
    expect(y?.data[0]).toBe(fast.precision === "fast" ? 3 : 3 + 3 * 2 ** -12);
    await fast.dispose();
  });

  it("runs an inpainting UNet within 1e-4 of diffusers", async () => {
    const fixture = readTensors("test/fixtures/models/unet_sd1-inpaint-mini.safetensors");
    const unet = await UNet2DConditionModel.fromPretrained("test/checkpoints/sd1-inpaint-mini", { subfolder: "unet", engine: gpu });
    const { sample } = await unet.forward(fixture.sample as Tensor, fixture.timestep as Tensor<"int64">, {
      encoderHiddenStates: fixture.encoder_hidden_states as Tensor,
    });
    expect(largestDifference(sample, fixture.out as Tensor)).toBeLessThan(1e-4);
    await unet.dispose();
  });
});
