import { afterEach, describe, expect, it, vi } from "vitest";
import { findAdapter } from "../../../src/platform/web/gpu-adapter.js";

afterEach(() => vi.unstubAllGlobals());

/** What is found in a browser with this adapter. */
function found(adapter: object | null | Error) {
  const requestAdapter = async () => {
    if (adapter instanceof Error) throw adapter;
    return adapter;
  };
  vi.stubGlobal("navigator", { gpu: { requestAdapter } });
  return findAdapter();
}

describe("a page's graphics card", () => {
  it.each([
    [["shader-f16", "timestamp-query"], true],
    [["timestamp-query"], false],
    [[], false],
  ])("with the features %j computes in half precision: %s", async (features, hasHalf) => {
    expect(await found({ features: new Set(features) })).toEqual({ isSoftware: false, hasHalf });
  });

  it.each([
    [{ architecture: "swiftshader" }, true],
    [{ description: "llvmpipe (LLVM 15.0.6, 256 bits)" }, true],
    [{ isFallbackAdapter: true }, true],
    [{ architecture: "ampere", description: "NVIDIA GeForce RTX 3060" }, false],
  ])("that calls itself %j computes on the processor: %s", async (info, isSoftware) => {
    expect(await found({ features: new Set(), info })).toMatchObject({ isSoftware });
  });

  it("is missing if no adapter answers, if asking fails, or without WebGPU", async () => {
    expect(await found(null)).toMatchObject({ problem: "no adapter answers" });
    expect(await found(new Error("blocked"))).toMatchObject({ problem: "blocked" });
    vi.stubGlobal("navigator", {});
    vi.stubGlobal("isSecureContext", true);
    expect(await findAdapter()).toMatchObject({ problem: "the browser has no WebGPU" });
    vi.stubGlobal("isSecureContext", false);
    expect(await findAdapter()).toMatchObject({ problem: "the page is not from https or localhost" });
  });
});
