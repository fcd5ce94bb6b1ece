import { workerData } from "node:worker_threads";
import { THREAD_STATE, type ThreadData } from "./thread-state.js";

// The thread's entry. It imports the rest dynamically, after this handler is set: if the runtime does not load, the thread ends with the
// state "closed", and the process does not wait for it.
process.on("exit", () => {
  const { state } = workerData as ThreadData;
  Atomics.store(state, 0, THREAD_STATE.closed);
  Atomics.notify(state, 0);
});
await import("./worker-calls.js");
