import { type ChildProcess, fork } from "node:child_process";
import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { JobRun } from "../jobs/jobs.js";
import type { Offer } from "../models/offer.js";
import {
  type ChildState,
  type EncodedPicture,
  type FromChild,
  type JobEnd,
  type JobOrder,
  PROTOCOL_VERSION,
  type ToChild,
} from "./protocol.js";

/**
 * ONNX Runtime sends usage data to its makers on Linux and macOS, too, and leaves files for it in the folder for temporary files, one for
 * each process (microsoft/onnxruntime#27379). A server of one's own does not, unless its environment says otherwise.
 */
function environment({ threads }: ProcessOptions): NodeJS.ProcessEnv {
  return { ORT_DISABLE_TELEMETRY: "1", ...process.env, ...(threads !== undefined && { DARKROOM_THREADS: String(threads) }) };
}

/** How a process is started. */
export interface ProcessOptions {
  readonly offer: Offer;
  /** Bytes above which it closes models. */
  readonly memoryBudget: number;
  /** Threads that it computes with on the CPU; by default one for each core. */
  readonly threads?: number | undefined;
  /** The program; `child.js` by default. */
  readonly entry?: string | undefined;
  /** Milliseconds until a process that does not end by itself is killed. */
  readonly killAfter: number;
  /** Milliseconds in which it must be ready. */
  readonly startTimeout: number;
  /** Gets what the process writes to its output. */
  readonly log: (text: string) => void;
}

/** How a process ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** What a job has made. */
export interface JobDone extends Extract<JobEnd, { readonly kind: "done" }> {
  readonly pictures: readonly EncodedPicture[];
}

/** A process ended in the middle of something, or before it was ready. */
export class ProcessEnded extends Error {
  override readonly name = "ProcessEnded";
}

/** The running job of a process. */
interface Running {
  readonly order: JobOrder;
  readonly run: JobRun;
  readonly pictures: EncodedPicture[];
  /** What it was doing when it was last heard of. */
  place: string;
  readonly resolve: (end: JobEnd) => void;
  readonly reject: (error: ProcessEnded) => void;
}

/** A process that has models. It does one job at a time. */
export class ModelProcess {
  /** Resolves when it has ended, however that was. */
  readonly exited: Promise<Exit>;
  private running: Running | undefined;
  private lastState: ChildState = { memory: 0, models: [] };
  private stopping: Promise<void> | undefined;
  private isToldToEnd = false;
  private lastWords = "";

  private constructor(
    private readonly child: ChildProcess,
    private readonly options: ProcessOptions,
  ) {
    this.exited = new Promise((resolve) => {
      child.once("exit", (code, signal) => resolve({ code, signal }));
      // Also emitted when a signal or a message does not get through, which a process that was started survives.
      child.on("error", () => child.pid === undefined && resolve({ code: null, signal: null }));
    });
    this.exited.then((exit) => {
      this.lastWords = this.describe(exit);
      this.running?.reject(new ProcessEnded(this.lastWords));
    });
    child.on("message", (message: FromChild) => this.receive(message));
    for (const stream of [child.stdout, child.stderr]) stream?.setEncoding("utf8").on("data", options.log);
  }

  /** Starts a process, and kills it when the signal aborts. @throws ProcessEnded if it ends before it is ready, or is not ready in time */
  static async start(options: ProcessOptions, signal: AbortSignal): Promise<ModelProcess> {
    const { file, execArgv } = programOf(options.entry);
    const child = fork(file, [], {
      execArgv,
      env: environment(options),
      serialization: "advanced",
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    const started = new ModelProcess(child, options);
    const hello = new Promise<number>((resolve) => {
      child.on("message", (message: FromChild) => message.type === "hello" && resolve(message.version));
    });
    const late = AbortSignal.timeout(options.startTimeout);
    const stop = AbortSignal.any([signal, late]);
    const kill = () => started.kill();
    stop.addEventListener("abort", kill, { once: true });
    try {
      const version = await Promise.race([hello, started.exited]);
      if (late.aborted) throw new ProcessEnded(`it was not ready after ${options.startTimeout / 1000} seconds`);
      if (typeof version !== "number") throw new ProcessEnded(`it ended before it was ready: ${exitText(version)}`);
      if (version !== PROTOCOL_VERSION) {
        started.kill();
        throw new ProcessEnded("its program is of another version of darkroom-server: restart the server");
      }
    } finally {
      stop.removeEventListener("abort", kill);
    }
    started.send({ type: "start", offer: options.offer, memoryBudget: options.memoryBudget });
    return started;
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  /** Its memory and models when it last said so. */
  get state(): ChildState {
    return this.lastState;
  }

  /** Whether it ends or has ended because it was stopped or killed by this program. */
  get wasToldToEnd(): boolean {
    return this.isToldToEnd;
  }

  /** How and where it ended; empty while it has not. */
  get epitaph(): string {
    return this.lastWords;
  }

  get hasEnded(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null || this.child.pid === undefined;
  }

  /**
   * Does a job. When the run's signal aborts, the process is asked to stop; one that goes on is killed.
   * @throws the signal's reason; ProcessEnded if the process ends in the middle
   */
  async run(order: JobOrder, run: JobRun): Promise<JobDone | Extract<JobEnd, { readonly kind: "failed" }>> {
    const { signal } = run;
    signal.throwIfAborted();
    if (this.hasEnded) throw new ProcessEnded(this.epitaph);
    const pictures: EncodedPicture[] = [];
    const ended = new Promise<JobEnd>((resolve, reject) => {
      this.running = { order, run, pictures, place: "before its first step", resolve, reject };
    });
    let timer: NodeJS.Timeout | undefined;
    const cancel = () => {
      this.send({ type: "cancel", id: order.id });
      timer = setTimeout(() => this.kill(), this.options.killAfter);
    };
    signal.addEventListener("abort", cancel, { once: true });
    this.send({ type: "job", order });
    try {
      const end = await ended;
      signal.throwIfAborted();
      if (end.kind === "cancelled") throw new ProcessEnded("it stopped without being asked to");
      return end.kind === "done" ? { ...end, pictures } : end;
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    } finally {
      this.running = undefined;
      clearTimeout(timer);
      signal.removeEventListener("abort", cancel);
    }
  }

  /** Asks the process to end, kills it if it does not, and resolves when it has. */
  stop(): Promise<void> {
    this.stopping ??= this.end();
    return this.stopping;
  }

  kill(): void {
    this.isToldToEnd = true;
    this.child.kill("SIGKILL");
  }

  private async end(): Promise<void> {
    this.isToldToEnd = true;
    if (!this.hasEnded) this.send({ type: "stop" });
    const timer = setTimeout(() => this.kill(), this.options.killAfter);
    await this.exited;
    clearTimeout(timer);
  }

  private send(message: ToChild): void {
    // A message that cannot be sent goes to a process that has ended, which is noticed by its exit.
    if (this.child.connected) this.child.send(message, () => undefined);
  }

  private receive(message: FromChild): void {
    if (message.type === "state") this.lastState = { memory: message.memory, models: message.models };
    const { running } = this;
    if (!running || !("id" in message) || message.id !== running.order.id) return;
    const { run, pictures } = running;
    // A job that was cancelled says nothing more.
    if (run.signal.aborted && message.type !== "end") return;
    switch (message.type) {
      case "step": {
        const { picture, step, steps } = message.progress;
        running.place = `in step ${step + 1} of ${steps} of picture ${picture + 1}`;
        run.progress(message.progress);
        return;
      }
      case "preview":
        run.preview(message.picture, message.image);
        return;
      case "picture":
        pictures.push(message.picture);
        return;
      case "end":
        running.resolve(message.end);
    }
  }

  private describe(exit: Exit): string {
    const memory = this.lastState.memory > 0 ? `; it had ${Math.round(this.lastState.memory / 2 ** 20)} MiB of memory` : "";
    return `the process of the model ended ${this.running?.place ?? "between two jobs"}: ${exitText(exit)}${memory}`;
  }
}

function exitText({ code, signal }: Exit): string {
  if (signal === "SIGKILL") return "it was killed (SIGKILL), as the system does when memory runs out";
  if (signal !== null) return `it was ended by ${signal}`;
  return code === null ? "it could not be started" : `exit code ${code}`;
}

/** The file that a process runs. The sources, in tests and scripts, need a loader. */
function programOf(entry: string | undefined): { readonly file: string; readonly execArgv: string[] } {
  const isSource = import.meta.url.endsWith(".ts");
  const file = entry ?? fileURLToPath(new URL(isSource ? "./child.ts" : "./child.js", import.meta.url));
  if (!file.endsWith(".ts")) return { file, execArgv: [] };
  return { file, execArgv: ["--import", pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href] };
}
