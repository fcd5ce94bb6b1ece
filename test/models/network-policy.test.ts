import { describe, expect, it } from "vitest";
import { Graph } from "../../src/graph/graph.js";
import { type NetworkTraits, networkPolicy } from "../../src/models/network-policy.js";
import type { Engine } from "../../src/runtime/engine.js";

const DENOISER: NetworkTraits = { runsOften: true, overflowsHalf: false, weightBytes: 2 ** 31 };
const SMALL_DENOISER = { ...DENOISER, weightBytes: 2 ** 27 };
const ENCODER = { ...DENOISER, runsOften: false };

/** An engine that only says what it is capable of. */
function engine(given: Partial<Engine> = {}): Engine {
  return {
    device: "cpu",
    capabilities: { device: "cpu" },
    scratchFile: () => ({ id: "scratch" }),
    load: () => Promise.reject(new Error("nothing is loaded")),
    dispose: async () => {},
    ...given,
  };
}

const FAST_CPU = engine({ precision: "fast", capabilities: { device: "cpu", byteRange: 127 } });
const FAST_GPU = engine({ device: "webgpu", precision: "fast", capabilities: { device: "webgpu", halfPrecision: true } });

describe("a network's precision", () => {
  it("is the engine's", () => {
    expect(new Graph(networkPolicy(FAST_GPU, DENOISER).graph).float).toBe("float16");
    expect(new Graph(networkPolicy(engine(), DENOISER).graph).float).toBe("float32");
  });

  it("is exact if its numbers grow beyond half precision's largest", () => {
    const { graph } = networkPolicy(FAST_GPU, { ...ENCODER, overflowsHalf: true });
    expect(graph.precision).toBe("exact");
    expect(new Graph(graph).float).toBe("float32");
  });
});

describe("products in bytes", () => {
  it("are for networks that run often, on a fast CPU, with a new file for each graph", () => {
    let files = 0;
    const counting = { ...FAST_CPU, scratchFile: () => ({ id: `scratch ${++files}` }) };
    expect([1, 2].map(() => networkPolicy(counting, DENOISER).graph.byteWeights?.id)).toEqual(["scratch 1", "scratch 2"]);
  });

  it("are for autoencoders, which use each weight for many pixels", () => {
    expect(networkPolicy(FAST_CPU, { ...ENCODER, coversPictures: true }).graph.byteWeights).toBeDefined();
    expect(networkPolicy(engine(), { ...ENCODER, coversPictures: true }).graph.byteWeights).toBeUndefined();
  });

  it("are for networks that overflow half precision, too", () => {
    const graph = new Graph(networkPolicy(FAST_CPU, { ...DENOISER, overflowsHalf: true }).graph);
    expect(graph.byteProducts?.range).toBe(127);
  });

  it.each<[string, Engine, NetworkTraits]>([
    ["that runs once for a picture", FAST_CPU, ENCODER],
    ["that is exact", { ...FAST_CPU, precision: "exact" }, DENOISER],
    ["on a GPU", FAST_GPU, DENOISER],
  ])("are not for a network %s", (_, engine, traits) => {
    expect(networkPolicy(engine, traits).graph.byteWeights).toBeUndefined();
  });

  it("are not computed on a platform without files", () => {
    const { scratchFile: _, ...withoutFiles } = FAST_CPU;
    expect(networkPolicy(withoutFiles, DENOISER).graph.byteWeights).toBeUndefined();
  });
});

describe("a network's weights", () => {
  it("are copied if they are few and used often", () => {
    const copies = [SMALL_DENOISER, DENOISER, { ...SMALL_DENOISER, runsOften: false }].map(
      (traits) => networkPolicy(engine(), traits).load.copiesWeights,
    );
    expect(copies).toEqual([true, false, false]);
  });

  it("are widened from fp8 once if they are used often, not copied, and memory does not come before speed", () => {
    const widens = (lowMemory: boolean, traits: NetworkTraits) => networkPolicy(engine({ lowMemory }), traits).graph.widensOnce;
    expect(widens(false, DENOISER)).toBe(true);
    expect(widens(true, DENOISER)).toBe(false);
    expect(widens(false, SMALL_DENOISER)).toBe(false);
    expect(widens(false, ENCODER)).toBe(false);
  });
});

it("A network that runs often keeps its working memory", () => {
  expect([DENOISER, ENCODER].map((traits) => networkPolicy(engine(), traits).load.keepsMemory)).toEqual([true, false]);
});
