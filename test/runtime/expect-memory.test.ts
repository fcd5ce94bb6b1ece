import { describe, expect, it } from "vitest";
import { MemoryError } from "../../src/errors.js";
import type { Engine } from "../../src/runtime/engine.js";
import { expectMemory, largerThanMemory, WASM_MEMORY } from "../../src/runtime/expect-memory.js";
import { startEngine } from "../../src/runtime/start-engine.js";
import { worded } from "../../src/wording.js";
import { EMPTY_MODEL, FakeThread, fakeHost } from "./fake-host.js";

const GB = 1e9;
const USE = { network: "UNet2DConditionModel", weightBytes: 12 * GB };

function engine(device: Engine["device"], available: number | undefined, rest: Partial<Engine> = {}): Engine {
  return {
    device,
    capabilities: { device },
    availableMemory: () => available,
    load: () => Promise.reject(),
    dispose: async () => {},
    ...rest,
  };
}

function refused(own: Engine, working: number, weights = 12 * GB, use = USE): MemoryError | undefined {
  try {
    expectMemory(own, { model: EMPTY_MODEL, memory: { weights, working } }, use);
    return undefined;
  } catch (error) {
    return error as MemoryError;
  }
}

describe("a request that does not fit into memory", () => {
  it("is refused with the numbers, and with what may fit", () => {
    const error = refused(engine("cpu", 4 * GB), 16 * GB);
    expect(error).toBeInstanceOf(MemoryError);
    expect(error).toMatchObject({ needed: 16 * GB, available: 4 * GB });
    expect(error?.message).toBe("UNet2DConditionModel needs at least 16 GB of memory for this request; there are 4.0 GB");
    expect(error?.hint).toBe(
      "what may fit: pictures with at most 50 % of the sides, or fewer at once; lowMemory: true; to try it all the same, set the environment variable DARKROOM_MEMORY_CHECK=0",
    );
    expect(error?.spell((name) => `--${name}`).hint).toContain("--lowMemory");
    expect(refused(engine("cpu", 4 * GB, { lowMemory: true }), 16 * GB)?.hint).not.toContain("lowMemory");
  });

  it("may fit with quantised weights, if the network can have them", () => {
    const [own, use] = [engine("cpu", 4 * GB), { ...USE, isQuantisable: true }];
    expect(refused(own, 16 * GB)?.hint).not.toContain("quantize");
    expect(refused(own, 16 * GB, 0, use)?.hint).toContain('lowMemory: true; quantize: "q4"');
    expect(refused(own, 16 * GB, 0, use)?.spell((name, { value } = {}) => `--${name} ${value}`).hint).toContain("--quantize q4");
  });

  it("is not refused for weights that are mapped from their files", () => {
    expect(refused(engine("cpu", 4 * GB), 4 * GB)).toBeUndefined();
  });

  it("is refused for its weights in WebAssembly, which can address 4 GB", () => {
    const error = refused(engine("wasm", WASM_MEMORY), 1 * GB);
    expect(error?.message).toContain("needs at least 13 GB of memory for this request (12 GB of weights, 1.0 GB of intermediate results)");
    expect(error?.hint).toContain("smaller weights (quantised ones)");
    expect(error?.hint).not.toContain("sides");
    expect(refused(engine("wasm", WASM_MEMORY), 1 * GB, 3 * GB)).toBeUndefined();
  });

  it("is not refused if nothing is known about the memory", () => {
    expect(refused(engine("webgpu", undefined), 1e15)).toBeUndefined();
    const { availableMemory: _, ...plain } = engine("cpu", 1);
    expect(refused(plain, 1e15)).toBeUndefined();
  });
});

describe("weights that are larger than the memory", () => {
  it("are warned about on a CPU, because steps read them from the disk", () => {
    const use = { ...USE, isQuantisable: true };
    const warning = worded(largerThanMemory(engine("cpu", 8 * GB), use) ?? "", (name) => `--${name}`);
    expect(warning).toContain("UNet2DConditionModel has 12 GB of weights and there are 8.0 GB of memory");
    expect(warning).toContain("--quantize");
    expect(worded(largerThanMemory(engine("cpu", 8 * GB), USE) ?? "", (name) => `--${name}`)).toMatch(/from the disk, which takes long$/);
    expect(largerThanMemory(engine("cpu", 13 * GB), USE)).toBeUndefined();
    expect(largerThanMemory(engine("cuda", 8 * GB), USE)).toBeUndefined();
  });
});

describe("an engine's memory", () => {
  it.each([
    ["cpu", 5],
    ["wasm", WASM_MEMORY],
    ["webgpu", undefined],
  ] as const)("on %s is %s", async (device, expected) => {
    const own = await startEngine(fakeHost(new FakeThread(), { availableMemory: () => 5 }), { device });
    expect(own.availableMemory?.()).toBe(expected);
    await own.dispose();
  });
});
