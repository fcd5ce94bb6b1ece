import { DeviceError } from "../../errors.js";
import { disposed } from "../../runtime/disposed.js";
import { type CallAnswer, ThreadCalls } from "../../runtime/thread-calls.js";
import type { Answer, Task, Transport } from "../../runtime/transport.js";

/** A worker of the page that runs ONNX Runtime. */
export class WorkerThread implements Transport {
  private readonly worker: Worker;
  private readonly calls = new ThreadCalls((call, transfer) => this.worker.postMessage(call, [...transfer]));
  private stopping: Promise<void> | undefined;

  /** `start` starts the worker. @throws DeviceError if the browser refuses to. */
  constructor(start: () => Worker) {
    try {
      this.worker = start();
    } catch (cause) {
      throw new DeviceError(`the runtime's worker cannot be started: ${(cause as Error).message}`, { hint: WORKER_HINT, cause });
    }
    this.worker.onmessage = ({ data }: MessageEvent<CallAnswer>) => this.calls.settle(data);
    this.worker.onerror = (event) => {
      // Without a message, the worker's file did not load.
      const what = event.message ? `the runtime's worker failed: ${event.message}` : "the runtime's worker does not load";
      this.calls.fail(new DeviceError(what, { hint: event.message ? undefined : WORKER_HINT }));
    };
    this.worker.onmessageerror = () => this.calls.fail(new DeviceError("an answer of the runtime's worker could not be read"));
  }

  get hasEnded(): boolean {
    return this.calls.hasEnded;
  }

  ask(task: Task, transfer?: readonly ArrayBuffer[]): Promise<Answer> {
    return this.calls.ask(task, transfer);
  }

  stop(): Promise<void> {
    this.stopping ??= this.end();
    return this.stopping;
  }

  private async end(): Promise<void> {
    const idle = this.ask({ kind: "stop" });
    this.calls.refuse(disposed());
    // A worker that does not answer has already failed.
    await idle.catch(() => {});
    this.worker.terminate();
  }
}

const WORKER_HINT =
  "the worker's file must be beside the bundle, on the page's own origin, and the page's policy must allow it (worker-src)";
