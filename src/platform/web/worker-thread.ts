import { DeviceError } from "../../errors.js";
import { CalledThread } from "../../runtime/called-thread.js";
import type { Call, CallAnswer, CallNote } from "../../runtime/thread-calls.js";

/** A worker of the page that runs ONNX Runtime. */
export class WorkerThread extends CalledThread {
  private readonly worker: Worker;

  /** `start` starts the worker. @throws DeviceError if the browser refuses to. */
  constructor(start: () => Worker) {
    super();
    try {
      this.worker = start();
    } catch (cause) {
      throw new DeviceError(`the runtime's worker cannot be started: ${(cause as Error).message}`, { hint: WORKER_HINT, cause });
    }
    this.worker.onmessage = ({ data }: MessageEvent<CallAnswer | CallNote>) => this.calls.settle(data);
    this.worker.onerror = (event) => {
      // Without a message, the worker's file did not load.
      const what = event.message ? `the runtime's worker failed: ${event.message}` : "the runtime's worker does not load";
      this.calls.fail(new DeviceError(what, { hint: event.message ? undefined : WORKER_HINT }));
    };
    this.worker.onmessageerror = () => this.calls.fail(new DeviceError("an answer of the runtime's worker could not be read"));
  }

  protected override send(call: Call, transfer: readonly ArrayBuffer[]): void {
    this.worker.postMessage(call, [...transfer]);
  }

  protected override terminate(): void {
    this.worker.terminate();
  }
}

const WORKER_HINT =
  "the worker's file must be beside the bundle, on the page's own origin, and the page's policy must allow it (worker-src)";
