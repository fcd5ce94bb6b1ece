import { Worker } from "node:worker_threads";
import { DeviceError } from "../../errors.js";
import { disposed } from "../../runtime/disposed.js";
import type { Answer, Task, Transport } from "../../runtime/transport.js";
import { packageFile } from "./package-files.js";
import { threadError } from "./thread-error.js";
import { THREAD_STATE, type WorkerAnswer, type WorkerCall } from "./worker-protocol.js";

/** Milliseconds for which the end of the process waits for a network that is running. */
const LONGEST_WAIT = 60_000;

/** Threads whose end the process must not force. */
const alive = new Set<WorkerThread>();
let isWatchingExit = false;

/** The thread that ONNX Runtime works in: calls to it, each answered by its number. It does not keep an otherwise finished process alive. */
export class WorkerThread implements Transport {
  private readonly worker: Worker;
  private readonly state = new Int32Array(new SharedArrayBuffer(4));
  private readonly waiting = new Map<number, { resolve: (answer: Answer) => void; reject: (error: Error) => void }>();
  private lastId = 0;
  private ended: Error | undefined;
  private stopping: Promise<void> | undefined;

  /** @throws DeviceError if the thread's file is not there. */
  constructor() {
    // Loading the runtime's library is work already.
    this.state[0] = THREAD_STATE.busy;
    // Tests and scripts run the .ts sources, but a thread of Node 20 takes only JavaScript: they use the built worker.
    const file = packageFile("dist/platform/node/worker.js");
    // The program's own flags are not for the thread: some, like --input-type, would stop it from starting.
    this.worker = new Worker(file, { execArgv: [], workerData: this.state });
    this.worker.on("message", (answer: WorkerAnswer) => {
      const call = this.waiting.get(answer.id);
      this.waiting.delete(answer.id);
      if (this.waiting.size === 0) this.worker.unref();
      if (answer.error === undefined) call?.resolve(answer);
      else call?.reject(new Error(answer.error));
    });
    this.worker.on("error", (error) => {
      alive.delete(this);
      this.fail(threadError(error));
    });
    this.worker.on("exit", () => {
      alive.delete(this);
      this.fail(new DeviceError("the runtime's thread has ended"));
    });
    this.worker.unref();
    alive.add(this);
    if (!isWatchingExit) process.on("exit", () => alive.forEach((thread) => void thread.close()));
    isWatchingExit = true;
  }

  /** Whether it takes no more calls. */
  get hasEnded(): boolean {
    return this.ended !== undefined;
  }

  /**
   * The buffers of `transfer` go over to the thread.
   * @throws DeviceError if the thread has ended, or ends before it answers; Error with the runtime's message if it refuses.
   */
  ask(task: Task, transfer: readonly ArrayBuffer[] = []): Promise<Answer> {
    if (this.ended) return Promise.reject(this.ended);
    const id = ++this.lastId;
    return new Promise((resolve, reject) => {
      this.worker.postMessage({ ...task, id } satisfies WorkerCall, transfer);
      this.waiting.set(id, { resolve, reject });
      this.worker.ref();
    });
  }

  /** Ends the thread after the calls made so far. */
  stop(): Promise<void> {
    this.stopping ??= this.end();
    return this.stopping;
  }

  private async end(): Promise<void> {
    const idle = this.ask({ kind: "stop" });
    this.ended ??= disposed();
    // A thread that cannot answer has ended already.
    await idle.catch(() => {});
    await this.worker.terminate();
  }

  /** Blocks until the thread is idle, and lets it begin nothing more. */
  private close(): void {
    const { idle, busy, closed } = THREAD_STATE;
    while (Atomics.compareExchange(this.state, 0, idle, closed) === busy) {
      if (Atomics.wait(this.state, 0, busy, LONGEST_WAIT) === "timed-out") return;
    }
  }

  private fail(error: Error): void {
    this.ended ??= error;
    for (const { reject } of this.waiting.values()) reject(this.ended);
    this.waiting.clear();
  }
}
