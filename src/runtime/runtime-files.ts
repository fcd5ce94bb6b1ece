import { checkOptions } from "../options/check-options.js";
import { type Fields, field } from "../options/fields.js";

/** Where a page finds the files that run networks. Addresses are relative to the page. */
export interface RuntimeFiles {
  /** The address of `worker-wasm.js`. Its bundle is in the package `darkroom-browser`. */
  readonly wasmWorker?: string | URL | undefined;
  /** The address of `worker-webgpu.js`. */
  readonly webgpuWorker?: string | URL | undefined;
  /**
   * The folder with ONNX Runtime's `.wasm` files, for the workers that are named here. By default they are beside the worker.
   */
  readonly wasmFolder?: string | URL | undefined;
}

const address = field<string | URL>((value) => (typeof value === "string" && value !== "") || value instanceof URL, "an address");
const RUNTIME_FILES_FIELDS: Fields<RuntimeFiles> = { wasmWorker: address, webgpuWorker: address, wasmFolder: address };

let files: RuntimeFiles = {};

/**
 * Says where the workers and ONNX Runtime's files are, for bundlers that do not see workers (esbuild, for example). Vite, webpack and the
 * package `darkroom-browser` need no call. It is for engines that are started later, and has no effect in Node.
 * @throws ArgumentError for an unknown option, or an address that is none.
 */
export function setRuntimeFiles(places: RuntimeFiles): void {
  files = checkOptions(places, RUNTIME_FILES_FIELDS, { call: "setRuntimeFiles" });
}

/** What {@link setRuntimeFiles} said last. */
export function runtimeFiles(): RuntimeFiles {
  return files;
}
