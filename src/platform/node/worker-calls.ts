import { parentPort, workerData } from "node:worker_threads";
import type { Call } from "../../runtime/thread-calls.js";
import { ThreadSessions } from "../../runtime/thread-sessions.js";
import { ReadMeter } from "../../runtime/wasm/read-meter.js";
import { THREAD_STATE, type ThreadData } from "./thread-state.js";

// ONNX Runtime's run() blocks the thread that calls it. So it is called in this thread.

const { build, state, threads } = workerData as ThreadData;
const { openRuntime } = build === "wasm" ? await import("./wasm-runtime.js") : await import("./onnx-runtime.js");
const meter = new ReadMeter((note) => parentPort?.postMessage(note));
const sessions = new ThreadSessions(openRuntime(threads, meter));

setIdle();

// One call after another: run() starts its work in a later turn of the event loop, and a release that follows must not overtake it.
let queue = Promise.resolve();
parentPort?.on("message", (call: Call) => {
  queue = queue.then(() => handle(call));
});

async function handle(call: Call): Promise<void> {
  // If the state is closed, the process is ending, and no work may begin.
  if (Atomics.compareExchange(state, 0, THREAD_STATE.idle, THREAD_STATE.busy) === THREAD_STATE.closed) return;
  meter.call = call.id;
  const [answer, transfer] = await sessions.reply(call);
  setIdle();
  parentPort?.postMessage(answer, transfer);
}

function setIdle(): void {
  Atomics.store(state, 0, THREAD_STATE.idle);
  Atomics.notify(state, 0);
}
