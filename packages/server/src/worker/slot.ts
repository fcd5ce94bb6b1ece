import { setTimeout as sleep } from "node:timers/promises";
import { JobCrashed, JobFailed, JobHandedBack, type JobRun } from "../jobs/jobs.js";
import { type JobDone, ModelProcess, ProcessEnded, type ProcessOptions } from "./model-process.js";
import type { JobOrder } from "./protocol.js";

/** How a slot treats its process. */
export interface SlotOptions extends ProcessOptions {
  /** Bytes of memory above which a process is replaced after a job. */
  readonly recycleAbove: number;
  /** Milliseconds before a start that follows a failure; they double with every further one. */
  readonly backoff: { readonly first: number; readonly longest: number };
}

/** What a slot is doing. */
export interface SlotStatus {
  readonly state: "empty" | "waiting to start" | "starting" | "idle" | "busy";
  readonly pid: number | undefined;
  /** Bytes of memory of its process. */
  readonly memory: number;
  /** The models that its process has open. */
  readonly models: readonly string[];
  /** Processes that ended unasked, or did not start. */
  readonly crashes: number;
  /** Processes that were replaced after a job, since they had grown or a device had failed. */
  readonly recycled: number;
}

/** A job waits for so many starts that fail, one after another; then it fails itself. */
const MOST_STARTS = 3;

/** A place for one process, which is started when there is a job, and again after it has ended. It does one job at a time. */
export class Slot {
  private process: ModelProcess | undefined;
  private starting: Promise<ModelProcess> | undefined;
  /** The end of a process that was sent away: the next one needs its memory. */
  private leaving: Promise<void> = Promise.resolve();
  private readonly closing = new AbortController();
  private state: SlotStatus["state"] = "empty";
  private crashes = 0;
  private recycled = 0;
  /** Failures since the last job that a process survived. */
  private failures = 0;

  constructor(private readonly options: SlotOptions) {}

  get status(): SlotStatus {
    const { memory, models } = this.process?.state ?? { memory: 0, models: [] };
    const { state, crashes, recycled } = this;
    return { state, pid: this.process?.pid, memory, models, crashes, recycled };
  }

  /** Does a job. @throws JobCrashed, JobFailed; JobHandedBack if the slot closes; the signal's reason */
  async run(order: JobOrder, run: JobRun): Promise<JobDone> {
    let process: ModelProcess | undefined;
    let isUnsafe = false;
    try {
      process = await this.ready(run.signal);
      this.state = "busy";
      const result = await process.run(order, run);
      this.failures = 0;
      if (result.kind === "done") return result;
      isUnsafe = result.isUnsafe;
      throw new JobFailed(result.error);
    } catch (error) {
      run.signal.throwIfAborted();
      if (this.closing.signal.aborted) throw new JobHandedBack("the server closes");
      throw error instanceof ProcessEnded ? new JobCrashed(error.message) : error;
    } finally {
      if (process) this.settle(process, isUnsafe);
    }
  }

  /** Ends the process. A job that runs is handed back. */
  async close(): Promise<void> {
    this.closing.abort();
    await this.starting?.catch(() => undefined);
    const last = this.process?.stop();
    await Promise.all([last, this.leaving]);
  }

  /** The process, once it can take a job. */
  private async ready(signal: AbortSignal): Promise<ModelProcess> {
    for (let starts = 1; ; starts++) {
      this.closing.signal.throwIfAborted();
      if (this.process && !this.process.hasEnded) return this.process;
      this.starting ??= this.start().finally(() => {
        this.starting = undefined;
      });
      try {
        return await unlessAborted(this.starting, signal);
      } catch (error) {
        if (!(error instanceof ProcessEnded)) throw error;
        if (starts < MOST_STARTS) continue;
        const message = `the process that has the models did not start, ${MOST_STARTS} times one after another; ${error.message}`;
        throw new JobFailed({ kind: "internal", message, hint: "the server's log says more" });
      }
    }
  }

  private async start(): Promise<ModelProcess> {
    await this.leaving;
    const { first, longest } = this.options.backoff;
    this.state = "waiting to start";
    try {
      if (this.failures > 0) await sleep(Math.min(first * 2 ** (this.failures - 1), longest), undefined, { signal: this.closing.signal });
      this.state = "starting";
      const process = await ModelProcess.start(this.options, this.closing.signal);
      this.process = process;
      this.state = "idle";
      process.exited.then(() => this.leave(process));
      return process;
    } catch (error) {
      this.state = "empty";
      if (error instanceof ProcessEnded) this.countFailure(error.message);
      throw error;
    }
  }

  /** Decides what becomes of the process after a job. */
  private settle(process: ModelProcess, isUnsafe: boolean): void {
    if (this.process !== process) return;
    this.state = "idle";
    if (!isUnsafe && process.state.memory <= this.options.recycleAbove) return;
    this.process = undefined;
    this.state = "empty";
    this.recycled++;
    this.leaving = process.stop();
  }

  /** Takes note that a process has ended. */
  private leave(process: ModelProcess): void {
    if (this.process !== process) return;
    this.process = undefined;
    this.state = "empty";
    // One that was stopped, or killed as it did not stop, has not failed.
    if (!process.wasToldToEnd) this.countFailure(process.epitaph);
  }

  private countFailure(message: string): void {
    this.failures++;
    this.crashes++;
    this.options.log(`${message}\n`);
  }
}

/** The result of `work`, or the signal's reason as soon as it aborts. The work goes on. */
async function unlessAborted<Result>(work: Promise<Result>, signal: AbortSignal): Promise<Result> {
  let stop: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason);
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    if (stop) signal.removeEventListener("abort", stop);
  }
}
