/**
 * The thread's state, in memory that both sides share. ONNX Runtime's addon aborts the whole process if its thread is ended during work,
 * because node-addon-api cannot throw into a thread that is being ended. So the main thread waits until the state is idle and sets it to
 * closed before it ends the thread.
 */
export const THREAD_STATE = { idle: 0, busy: 1, closed: 2 } as const;

/** The builds of ONNX Runtime that run in Node. */
export type RuntimeBuild = "native" | "wasm";

/** What a thread is started with. */
export interface ThreadData {
  readonly build: RuntimeBuild;
  /** {@link THREAD_STATE}, in memory that both sides share. */
  readonly state: Int32Array;
  /** Threads that WebAssembly computes with; if undefined, ONNX Runtime takes one for two cores, at most four. */
  readonly threads: number | undefined;
}
