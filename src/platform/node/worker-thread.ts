import { Worker } from "node:worker_threads";
import { DeviceError } from "../../errors.js";
import { CalledThread } from "../../runtime/called-thread.js";
import type { Call, CallAnswer, CallNote } from "../../runtime/thread-calls.js";
import { packageFile } from "./package-files.js";
import { threadError } from "./thread-error.js";
import { type RuntimeBuild, THREAD_STATE, type ThreadData } from "./thread-state.js";

/** Milliseconds for which a process that ends waits for a running network. */
const LONGEST_WAIT = 60_000;

/**
 * ONNX Runtime for Linux sends usage data to its makers and leaves log files in the folder for temporary files
 * (microsoft/onnxruntime#27379). A program that wants it sets ORT_DISABLE_TELEMETRY=0. The runtime reads the variable of the process, which
 * only the main thread can set.
 */
function keepUsageDataPrivate(): void {
  process.env.ORT_DISABLE_TELEMETRY ??= "1";
}

/** Threads that must not be ended while they work. */
const alive = new Set<WorkerThread>();
let isWatchingExit = false;

/** A worker thread that runs a build of ONNX Runtime. An idle thread does not keep the process alive. */
export class WorkerThread extends CalledThread {
  private readonly worker: Worker;
  private readonly state = new Int32Array(new SharedArrayBuffer(4));

  /** @throws DeviceError if the thread's file does not exist. */
  constructor(build: RuntimeBuild, threads?: number) {
    super();
    // The thread begins by loading the runtime's library, which must not be interrupted either.
    this.state[0] = THREAD_STATE.busy;
    // The built file, even for tests and scripts that run the .ts sources: a thread of Node 20 takes only JavaScript.
    const file = packageFile("dist/platform/node/worker.js");
    keepUsageDataPrivate();
    // Without the program's flags: some, like --input-type, would prevent the thread from starting.
    this.worker = new Worker(file, {
      execArgv: [],
      workerData: { build, state: this.state, threads } satisfies ThreadData,
    });
    this.worker.on("message", (answer: CallAnswer | CallNote) => {
      this.calls.settle(answer);
      if (this.calls.pending === 0) this.worker.unref();
    });
    this.worker.on("error", (error) => {
      alive.delete(this);
      this.calls.fail(threadError(error, build));
    });
    this.worker.on("exit", () => {
      alive.delete(this);
      this.calls.fail(new DeviceError("the runtime's thread has ended"));
    });
    this.worker.unref();
    // WebAssembly may be ended in the middle of its work.
    if (build === "native") alive.add(this);
    if (!isWatchingExit) process.on("exit", () => alive.forEach((thread) => void thread.close()));
    isWatchingExit = true;
  }

  protected override send(call: Call, transfer: readonly ArrayBuffer[]): void {
    this.worker.postMessage(call, transfer);
    this.worker.ref();
  }

  protected override terminate(): Promise<number> {
    return this.worker.terminate();
  }

  /** Blocks until the thread is idle, and prevents it from starting another task. */
  private close(): void {
    const { idle, busy, closed } = THREAD_STATE;
    while (Atomics.compareExchange(this.state, 0, idle, closed) === busy) {
      if (Atomics.wait(this.state, 0, busy, LONGEST_WAIT) === "timed-out") return;
    }
  }
}
