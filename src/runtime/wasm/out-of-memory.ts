import { DeviceError } from "../../errors.js";
import { messageOf } from "../../message-of.js";

/**
 * What ONNX Runtime's WebAssembly builds and JavaScript engines say when memory is full. A build aborts if its own code cannot get memory,
 * and says little then. A tensor whose size in bytes does not fit into 32 bits is an "Integer overflow".
 */
const WORDS =
  /bad_alloc|out of memory|\bOOM\b|Aborted\(|memory access out of bounds|[Ff]ailed to allocate|allocation failed|could not allocate|memory limit|Integer overflow/;

/** Whether a worker failed because memory is full. */
export function isOutOfMemory(error: unknown): boolean {
  return WORDS.test(messageOf(error));
}

/** The error for memory that is full. */
export function outOfMemory(cause: unknown): DeviceError {
  return new DeviceError("WebAssembly's memory is full: a network and its intermediate results have 4 GB at most", {
    hint: (name) =>
      `make a smaller picture or fewer at once, set ${name("lowMemory", { code: "lowMemory: true" })}, load half-precision weights, or use another device`,
    cause,
  });
}
