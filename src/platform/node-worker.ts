import { parentPort, workerData } from "node:worker_threads";
import { env, InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import type { NamedTensors } from "../runtime/engine.js";
import type { DType } from "../tensor/dtype.js";
import { THREAD_STATE, type WorkerAnswer, type WorkerCall } from "./worker-protocol.js";

// ONNX Runtime's run() blocks the thread that calls it, so it lives in this one.

const state = workerData as Int32Array;
const sessions = new Map<number, InferenceSession>();
let lastSession = 0;

// Anything worth telling comes back as an exception; the runtime's own log would only tear the terminal's progress bar.
env.logLevel = "fatal";

setIdle();

// One call after another: run() only starts in a later turn of the event loop, and a release behind it must not overtake it.
let queue = Promise.resolve();
parentPort?.on("message", (call: WorkerCall) => {
  queue = queue.then(() => handle(call));
});

async function handle(call: WorkerCall): Promise<void> {
  // Closed: the process is ending, and nothing may begin any more.
  if (Atomics.compareExchange(state, 0, THREAD_STATE.idle, THREAD_STATE.busy) === THREAD_STATE.closed) return;
  const { result, error } = await answer(call).then(
    (result) => ({ result, error: undefined }),
    (error: unknown) => ({ result: undefined, error: error instanceof Error ? error.message : String(error) }),
  );
  setIdle();
  const buffers = Object.values(result?.outputs ?? {}).map(({ data }) => data.buffer as ArrayBuffer);
  parentPort?.postMessage({ id: call.id, ...result, error } satisfies WorkerAnswer, buffers);
}

function setIdle(): void {
  Atomics.store(state, 0, THREAD_STATE.idle);
  Atomics.notify(state, 0);
}

async function answer(call: WorkerCall): Promise<Pick<WorkerAnswer, "session" | "outputs">> {
  if (call.kind === "stop") return {};
  if (call.kind === "load") {
    const session = await InferenceSession.create(call.model, call.options);
    sessions.set(++lastSession, session);
    return { session: lastSession };
  }
  const session = sessions.get(call.session);
  if (!session) throw new Error(`session ${call.session} was released`);
  if (call.kind === "release") {
    sessions.delete(call.session);
    await session.release();
    return {};
  }
  const feeds = Object.entries(call.feeds).map(([name, { dtype, data, shape }]) => [
    name,
    new OrtTensor(dtype as "float32", data as Float32Array, shape),
  ]);
  const results = await session.run(Object.fromEntries(feeds));
  const outputs = Object.entries(results).map(([name, { type, data, dims }]) => [
    name,
    { dtype: type as DType, data: own(data as Float32Array), shape: dims },
  ]);
  return { outputs: Object.fromEntries(outputs) as NamedTensors };
}

/** Numbers in a buffer of their own, which can be handed over to another thread without a copy. */
function own(data: Float32Array): Float32Array {
  return data.byteLength === data.buffer.byteLength ? data : data.slice();
}
