import { Worker } from "node:worker_threads";

/** Milliseconds that one run may take: far more than any needs on a busy machine, far less than for ever. */
const LONGEST_RUN = 30_000;
/** Bytes by which the process may grow while an attack runs: a collector's slack, and no hostile file's wish. */
const MOST_MEMORY = 2 ** 30;

/** Ends the process, and says in which run, when one takes for ever or all memory. No test could: the thread that hangs runs them. */
export class Watchdog {
  private readonly state = new Int32Array(new SharedArrayBuffer(4));
  private readonly thread = new Worker(new URL("watchdog-thread.mjs", import.meta.url), {
    workerData: { state: this.state, longestRun: LONGEST_RUN, mostMemory: MOST_MEMORY },
  });

  constructor() {
    this.thread.unref();
  }

  /** Begins to watch runs; `name` is what they are called should one of them have to be ended. */
  watch(name: string): void {
    this.rest();
    this.thread.postMessage(name);
  }

  /** The next run begins. */
  beat(): void {
    Atomics.add(this.state, 0, 1);
  }

  /** Nothing is to be watched for now. */
  rest(): void {
    Atomics.store(this.state, 0, 0);
  }
}
