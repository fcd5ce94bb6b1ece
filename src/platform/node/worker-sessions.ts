import { parentPort, workerData } from "node:worker_threads";
import { env, InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { messageOf } from "../../message-of.js";
import type { NamedTensors } from "../../runtime/engine.js";
import type { LoadTask } from "../../runtime/transport.js";
import type { DType } from "../../tensor/dtype.js";
import { locationOf } from "./disk-file.js";
import { type AcquiredWeights, PreparedWeights, prepare } from "./prepared-weights.js";
import { removeScratch, removeStaleScratch, writeScratch } from "./scratch-file.js";
import { THREAD_STATE, type WorkerAnswer, type WorkerCall } from "./worker-protocol.js";

/** A model that was loaded, and the weights that are fed to every run. */
interface LoadedModel {
  /** Undefined if it ended after a run. */
  session: InferenceSession | undefined;
  readonly task: LoadTask;
  readonly prepared: AcquiredWeights;
  /** Temporary files to remove when the model is released. */
  readonly scratch: readonly string[];
}

// ONNX Runtime's run() blocks the thread that calls it. So it is called in this thread.

const state = workerData as Int32Array;
const sessions = new Map<number, LoadedModel>();
const preparedWeights = new PreparedWeights();
let lastSession = 0;

// The runtime also throws its errors. Its log would only break the progress bar in the terminal.
env.logLevel = "fatal";

setIdle();

// One call after another: run() starts its work in a later turn of the event loop, and a release that follows must not overtake it.
let queue = Promise.resolve();
parentPort?.on("message", (call: WorkerCall) => {
  queue = queue.then(() => handle(call));
});

async function handle(call: WorkerCall): Promise<void> {
  // If the state is closed, the process is ending, and no work may begin.
  if (Atomics.compareExchange(state, 0, THREAD_STATE.idle, THREAD_STATE.busy) === THREAD_STATE.closed) return;
  const { result, error } = await answer(call).then(
    (result) => ({ result, error: undefined }),
    (error: unknown) => ({ result: undefined, error: messageOf(error) }),
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
    const prepared = await preparedWeights.acquire(call.preparations.filter(({ file }) => file === undefined));
    const loaded = await createSession(call).catch((error: unknown) => {
      prepared.release();
      throw error;
    });
    sessions.set(++lastSession, { ...loaded, task: call, prepared });
    return { session: lastSession };
  }
  const loaded = sessions.get(call.session);
  if (!loaded) throw new Error(`session ${call.session} was released`);
  if (call.kind === "release") {
    sessions.delete(call.session);
    loaded.prepared.release();
    await end(loaded);
    loaded.scratch.forEach(removeScratch);
    return {};
  }
  const feeds = Object.entries(call.feeds).map(([name, { dtype, data, shape }]) => [
    name,
    new OrtTensor(dtype as "float32", data as Float32Array, shape),
  ]);
  const results = await run(loaded, Object.fromEntries(feeds));
  const outputs = Object.entries(results).map(([name, { type, data, dims }]) => [
    name,
    { dtype: type as DType, data: own(data as Float32Array), shape: dims },
  ]);
  const lent = call.lent.map((name) => [name, call.feeds[name]]);
  return { outputs: Object.fromEntries([...outputs, ...lent]) as NamedTensors };
}

/** Creates a session. Files of prepared weights are removed afterwards: the runtime has mapped or read them, and no longer needs their names. */
async function createSession({
  model,
  options,
  preparations,
}: LoadTask): Promise<{ session: InferenceSession; scratch: readonly string[] }> {
  const scratch = new Set<string>();
  try {
    for (const task of preparations) {
      if (task.file === undefined) continue;
      const path = locationOf(task.file);
      if (scratch.size === 0) removeStaleScratch(path);
      scratch.add(path);
      writeScratch(path, task.outputs, await prepare(task));
    }
    const session = await InferenceSession.create(model, options);
    return { session, scratch: [...scratch].filter((path) => !removeScratch(path)) };
  } catch (error) {
    scratch.forEach(removeScratch);
    throw error;
  }
}

async function run(loaded: LoadedModel, feeds: InferenceSession.FeedsType): Promise<InferenceSession.ReturnType> {
  const session = loaded.session ?? (await createSession(loaded.task)).session;
  loaded.session = session;
  try {
    return await session.run({ ...loaded.prepared.feeds, ...feeds });
  } finally {
    if (loaded.task.endsAfterRun) await end(loaded);
  }
}

async function end(loaded: LoadedModel): Promise<void> {
  const { session } = loaded;
  loaded.session = undefined;
  await session?.release();
}

/** The data as a whole buffer, which can be transferred to another thread without a copy. */
function own(data: Float32Array): Float32Array {
  return data.byteLength === data.buffer.byteLength ? data : data.slice();
}
