import { DeviceError } from "../../errors.js";
import type { Spelling, Wording } from "../../wording.js";
import type { RuntimeBuild } from "./thread-state.js";

/** What to do without the native library. */
const withoutLibrary = (name: Spelling) =>
  `or run in WebAssembly, which is slower: ${name("device", { value: "wasm" })}, with the package onnxruntime-web (npm install onnxruntime-web)`;

interface LoadProblem {
  readonly problem: string;
  readonly hint: Wording;
}

const LOAD_PROBLEMS: Readonly<Record<RuntimeBuild, Readonly<Record<string, LoadProblem>>>> = {
  native: {
    // The package is missing: a bundle without node_modules, or an incomplete install.
    ERR_MODULE_NOT_FOUND: {
      problem: "a package that the runtime's thread needs is not installed",
      hint: (name) =>
        `install darkroom with its dependencies next to your program (in a bundle, keep darkroom and onnxruntime-node external); ${withoutLibrary(name)}`,
    },
    // The package has no binary for this platform.
    MODULE_NOT_FOUND: {
      problem: `onnxruntime-node has no binary for ${process.platform}-${process.arch}`,
      hint: (name) =>
        `onnxruntime-node is built for Linux and Windows (x64, arm64) and for Macs with Apple silicon; if this is one of them, remove node_modules and install again; ${withoutLibrary(name)}`,
    },
    ERR_DLOPEN_FAILED: {
      problem: "onnxruntime-node's library does not load",
      hint: (name) =>
        `remove node_modules and install again; on Alpine Linux use an image with glibc, such as node:24-slim: the library is not built for musl; ${withoutLibrary(name)}`,
    },
  },
  wasm: {
    ERR_MODULE_NOT_FOUND: {
      problem: "a package that WebAssembly needs is not installed",
      hint: "npm install onnxruntime-web (in a bundle, keep darkroom and onnxruntime-web external)",
    },
  },
};

/** The error for a runtime's thread that ended with an error. The hint says what to do if the runtime could not be loaded. */
export function threadError(cause: Error & { readonly code?: string }, build: RuntimeBuild): DeviceError {
  const { problem, hint } = LOAD_PROBLEMS[build][cause.code ?? ""] ?? { problem: "the runtime's thread failed" };
  return new DeviceError(`${problem}: ${firstLine(cause.message)}`, { cause, hint });
}

/** The first line. Below it, Node lists the modules that required a missing one. */
function firstLine(message: string): string {
  return message.split("\n", 1)[0] ?? message;
}
