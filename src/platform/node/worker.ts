import { workerData } from "node:worker_threads";
import { THREAD_STATE } from "./worker-protocol.js";

// The thread's entry. It imports the rest, so that a runtime that does not load ends the thread with the state "closed", and nothing waits for it.
process.on("exit", () => {
  const state = workerData as Int32Array;
  Atomics.store(state, 0, THREAD_STATE.closed);
  Atomics.notify(state, 0);
});
await import("./worker-sessions.js");
