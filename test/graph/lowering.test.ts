import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Graph } from "../../src/graph/graph.js";
import { type GraphCapabilities, loweringFor } from "../../src/graph/lowering.js";

const lowering = (capabilities: GraphCapabilities, precision: "exact" | "fast" = "exact") => loweringFor(capabilities, { precision });

describe("how a graph is written", () => {
  it("is for a CPU without measured facts if no device is named", () => {
    expect(new Graph().lowering).toEqual(lowering({ device: "cpu" }));
  });

  it("is the same for WebAssembly and a CPU, except for large attention", () => {
    const facts = { halfPrecision: true, fusedAttention: false, byteRange: 63 } as const;
    for (const precision of ["exact", "fast"] as const) {
      const { attention, ...others } = lowering({ device: "wasm", ...facts }, precision);
      expect(lowering({ device: "cpu", ...facts }, precision)).toMatchObject(others);
      expect(attention.largestScores).toBeLessThan(2 ** 30);
    }
  });

  it.each([
    ["cpu", { float: "float32", byteRange: 127 }],
    ["wasm", { float: "float32", byteRange: 127 }],
    ["webgpu", { float: "float16" }],
    ["cuda", { float: "float16" }],
    ["coreml", { float: "float32" }],
    ["dml", { float: "float32" }],
  ] as const)("fast on %s, on a device that can do everything: %j", (device, numbers) => {
    const capable = { device, halfPrecision: true, byteRange: 127 } as const;
    const { float, bytes } = lowering(capable, "fast");
    expect({ float, byteRange: bytes?.range }).toEqual({ byteRange: undefined, ...numbers });
    expect(lowering(capable)).toMatchObject({ float: "float32", bytes: undefined });
  });

  it("uses bytes only if there is a file for the weights", () => {
    const options = { capabilities: { device: "cpu", byteRange: 63 }, precision: "fast" } as const;
    expect(new Graph(options).byteProducts).toBeUndefined();
    expect(new Graph({ ...options, byteWeights: { id: "bytes" } }).byteProducts).toMatchObject({ range: 63, file: { id: "bytes" } });
    expect(new Graph({ ...options, precision: "exact", byteWeights: { id: "bytes" } }).byteProducts).toBeUndefined();
  });

  it("uses fused attention on WebGPU only if the device computes it correctly", () => {
    expect(lowering({ device: "webgpu" }).attention.widestFusedHead).toBe(0);
    expect(lowering({ device: "webgpu", fusedAttention: true }).attention.widestFusedHead).toBe(256);
    expect(lowering({ device: "cuda" }).attention.widestFusedHead).toBe(Number.POSITIVE_INFINITY);
  });
});

describe("layers and networks", () => {
  const sources = ["src/layers", "src/models"].flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: "utf8" }).flatMap((name) => (name.endsWith(".ts") ? [join(folder, name)] : [])),
  );

  it.each(sources)("%s does not depend on the target", (path) => {
    // Models hand their device's capabilities to the graph.
    const source = readFileSync(path, "utf8");
    expect(source).not.toMatch(/\blowering\b|["'](cpu|wasm|webgpu|cuda|coreml|dml)["']/);
  });
});
