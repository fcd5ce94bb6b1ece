import { closeSync, openSync, readSync } from "node:fs";
import { env, InferenceSession, Tensor } from "onnxruntime-web";
import { CheckpointError } from "../../errors.js";
import type { OnnxRuntime } from "../../runtime/onnx-runtime.js";
import type { ReadMeter } from "../../runtime/wasm/read-meter.js";
import { wasmRuntime } from "../../runtime/wasm/wasm-runtime.js";
import type { OpenWeightFile } from "../../runtime/wasm/weight-mount.js";
import { locationOf } from "./disk-file.js";
import { removeScratch, removeStaleScratch, writeScratch } from "./scratch-file.js";

/** ONNX Runtime's WebAssembly build, in a thread of Node. */
export function openRuntime(threads: number | undefined, meter: ReadMeter): OnnxRuntime {
  env.logLevel = "fatal";
  if (threads !== undefined) env.wasm.numThreads = threads;
  return wasmRuntime(
    { InferenceSession, Tensor },
    { open: meter.watched(open), scratch: { write: writeScratch, remove: removeScratch, removeStale: removeStaleScratch } },
  );
}

const open: OpenWeightFile = async (file) => {
  const path = locationOf(file);
  const opened = openSync(path, "r");
  return {
    read(offset, into) {
      for (let done = 0; done < into.length; ) {
        const count = readSync(opened, into, done, into.length - done, offset + done);
        if (count === 0) throw new CheckpointError(`${path} became shorter while it was read`);
        done += count;
      }
    },
    close: () => closeSync(opened),
  };
};
