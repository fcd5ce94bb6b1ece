import type * as Ort from "onnxruntime-web";
import type { Call, CallAnswer, CallNote } from "../../runtime/thread-calls.js";
import { ThreadSessions } from "../../runtime/thread-sessions.js";
import { ReadMeter } from "../../runtime/wasm/read-meter.js";
import { wasmRuntime } from "../../runtime/wasm/wasm-runtime.js";
import { WeightFiles } from "./weight-files.js";
import { WASM_FOLDER } from "./worker-name.js";

/** What Darkroom uses of a build of ONNX Runtime Web. */
type OrtModule = Pick<typeof Ort, "InferenceSession" | "Tensor" | "env">;

/** The worker's side of its messages. */
interface WorkerScope {
  readonly name: string;
  onmessage: ((event: { readonly data: Call }) => void) | null;
  postMessage(message: CallAnswer | CallNote, transfer: readonly ArrayBuffer[]): void;
}

/**
 * Answers the calls of the page in this worker, one after another, with a build of ONNX Runtime Web. `wasm` is the name of its file.
 */
export function serve(ort: OrtModule, wasm: string): void {
  const scope = self as unknown as WorkerScope;
  // ONNX Runtime starts its threads as copies of this worker's file, and tells them what to do.
  if (scope.name.startsWith("em-pthread")) return;
  // The runtime also throws its errors.
  ort.env.logLevel = "fatal";
  ort.env.wasm.numThreads = threads();
  if (scope.name.startsWith(WASM_FOLDER)) ort.env.wasm.wasmPaths = { wasm: scope.name.slice(WASM_FOLDER.length) + wasm };
  const files = new WeightFiles();
  const meter = new ReadMeter((note) => scope.postMessage(note, []));
  const sessions = new ThreadSessions(wasmRuntime(ort, { open: meter.watched(files.open), scratch: files.scratch }));
  let queue = Promise.resolve();
  scope.onmessage = ({ data: call }) => {
    queue = queue.then(async () => {
      meter.call = call.id;
      const [answer, transfer] = await sessions.reply(call);
      files.forget();
      scope.postMessage(answer, transfer);
    });
  };
}

/** More threads than this make a step no faster: the runtime waits for the slowest one after each operation. */
const MOST_THREADS = 8;

/**
 * Threads share memory, which browsers allow only in pages that are isolated from other origins. A thread for each of two cores took longer
 * than one for both: the threads spin while they wait, and the page needs a core, too.
 */
function threads(): number {
  return globalThis.crossOriginIsolated ? Math.min(Math.ceil((navigator.hardwareConcurrency || 1) / 2), MOST_THREADS) : 1;
}
