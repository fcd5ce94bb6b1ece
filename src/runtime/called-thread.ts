import { disposed } from "./disposed.js";
import { type Call, ThreadCalls } from "./thread-calls.js";
import type { Answer, Task, Transport } from "./transport.js";

/** A thread with the runtime that answers calls. A platform says how a call is sent to it, and how it is ended. */
export abstract class CalledThread implements Transport {
  protected readonly calls = new ThreadCalls((call, transfer) => this.send(call, transfer));
  private stopping: Promise<void> | undefined;

  get hasEnded(): boolean {
    return this.calls.hasEnded;
  }

  ask(task: Task, transfer?: readonly ArrayBuffer[], onRead?: (bytes: number) => void): Promise<Answer> {
    return this.calls.ask(task, transfer, onRead);
  }

  stop(): Promise<void> {
    this.stopping ??= this.end();
    return this.stopping;
  }

  protected abstract send(call: Call, transfer: readonly ArrayBuffer[]): void;

  /** Ends the thread, which is idle or has failed. */
  protected abstract terminate(): unknown;

  private async end(): Promise<void> {
    const idle = this.ask({ kind: "stop" });
    this.calls.refuse(disposed());
    // A thread that does not answer has already ended or failed.
    await idle.catch(() => {});
    await this.terminate();
  }
}
