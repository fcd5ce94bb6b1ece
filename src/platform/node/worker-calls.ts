import { parentPort, workerData } from "node:worker_threads";
import { env } from "onnxruntime-node";
import { messageOf } from "../../message-of.js";
import type { Call, CallAnswer } from "../../runtime/thread-calls.js";
import { ThreadSessions } from "../../runtime/thread-sessions.js";
import { nodeRuntime } from "./onnx-runtime.js";
import { THREAD_STATE } from "./thread-state.js";

// ONNX Runtime's run() blocks the thread that calls it. So it is called in this thread.

const state = workerData as Int32Array;
const sessions = new ThreadSessions(nodeRuntime);

// The runtime also throws its errors. Its log would only break the progress bar in the terminal.
env.logLevel = "fatal";

setIdle();

// One call after another: run() starts its work in a later turn of the event loop, and a release that follows must not overtake it.
let queue = Promise.resolve();
parentPort?.on("message", (call: Call) => {
  queue = queue.then(() => handle(call));
});

async function handle(call: Call): Promise<void> {
  // If the state is closed, the process is ending, and no work may begin.
  if (Atomics.compareExchange(state, 0, THREAD_STATE.idle, THREAD_STATE.busy) === THREAD_STATE.closed) return;
  const { result, error } = await sessions.answer(call).then(
    (result) => ({ result, error: undefined }),
    (error: unknown) => ({ result: undefined, error: messageOf(error) }),
  );
  setIdle();
  const buffers = Object.values(result?.outputs ?? {}).map(({ data }) => data.buffer as ArrayBuffer);
  parentPort?.postMessage({ id: call.id, ...result, error } satisfies CallAnswer, buffers);
}

function setIdle(): void {
  Atomics.store(state, 0, THREAD_STATE.idle);
  Atomics.notify(state, 0);
}
