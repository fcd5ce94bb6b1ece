import { messageOf } from "../../message-of.js";

/** What a browser says of its GPU. */
export interface FoundAdapter {
  /** Why WebGPU cannot work; undefined if an adapter answers. */
  readonly problem?: string | undefined;
  /** Whether its driver computes in software. */
  readonly isSoftware: boolean;
  /** Whether it computes in half precision. */
  readonly hasHalf: boolean;
}

/** The part of WebGPU that is used here; TypeScript's own types lack it. */
interface Gpu {
  requestAdapter(options?: { readonly powerPreference?: "high-performance" }): Promise<Adapter | null>;
}
interface Adapter {
  readonly features: { has(name: string): boolean };
  readonly info?: { readonly isFallbackAdapter?: boolean; readonly architecture?: string; readonly description?: string };
}

/** Drivers that compute on the processor. */
const SOFTWARE = /swiftshader|llvmpipe|lavapipe|warp|basic render/i;

/** Milliseconds after which an adapter that has not answered counts as none. A driver that starts takes a second or two. */
const PATIENCE = 10_000;

const pause = (time: number) => new Promise<null>((resolve) => setTimeout(resolve, time, null));

/** Asks the browser for its GPU. */
export async function findAdapter(): Promise<FoundAdapter> {
  const { gpu } = navigator as { readonly gpu?: Gpu };
  const none = { isSoftware: false, hasHalf: false };
  if (!gpu)
    return { ...none, problem: globalThis.isSecureContext ? "the browser has no WebGPU" : "the page is not from https or localhost" };
  try {
    const adapter = await Promise.race([gpu.requestAdapter({ powerPreference: "high-performance" }), pause(PATIENCE)]);
    if (!adapter) return { ...none, problem: "no adapter answers" };
    const { isFallbackAdapter = false, architecture = "", description = "" } = adapter.info ?? {};
    return {
      isSoftware: isFallbackAdapter || SOFTWARE.test(`${architecture} ${description}`),
      hasHalf: adapter.features.has("shader-f16"),
    };
  } catch (error) {
    return { ...none, problem: messageOf(error) };
  }
}
