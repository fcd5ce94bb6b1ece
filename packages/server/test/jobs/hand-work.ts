import { createHash, randomUUID } from "node:crypto";
import type { Job, JobHandler, JobResult, JobRun, NewJob, StoredPicture } from "../../src/index.js";

export const NEW_JOB: NewJob = {
  door: "api",
  model: "emoji-128",
  request: { prompt: "a panda", seed: 7, numInferenceSteps: 4 },
  output: { format: "png" },
  previewEvery: 0,
};

export function storedPicture(contents: string): StoredPicture {
  return {
    id: randomUUID(),
    hash: createHash("sha256").update(contents).digest("hex"),
    bytes: 3,
    type: "image/png",
    width: 64,
    height: 64,
    seed: "18446744073709551615",
    parameters: "a panda\nSteps: 4",
  };
}

export function resultOf(...pictures: readonly StoredPicture[]): JobResult {
  return { pictures, settings: { scheduler: "ddim" }, warnings: [], seconds: { load: 1, generate: 2 } };
}

/** A job that a worker runs, and that the test ends. */
export interface HandRun {
  readonly job: Job;
  readonly run: JobRun;
  finish(result?: JobResult): void;
  fail(error: unknown): void;
}

/**
 * Work that the test does by hand: each run waits until the test ends it. Stopped runs end at once with the signal's reason, if not told
 * otherwise.
 */
export class HandWork {
  readonly #started: HandRun[] = [];
  readonly #waiting: ((run: HandRun) => void)[] = [];
  readonly #stopsAtOnce: boolean;

  constructor({ stopsAtOnce = true }: { readonly stopsAtOnce?: boolean } = {}) {
    this.#stopsAtOnce = stopsAtOnce;
  }

  readonly handler: JobHandler = (job, run) =>
    new Promise((resolve, reject) => {
      if (this.#stopsAtOnce) run.signal.addEventListener("abort", () => reject(run.signal.reason));
      const started: HandRun = { job, run, finish: (result = resultOf()) => resolve(result), fail: reject };
      const waiting = this.#waiting.shift();
      if (waiting) waiting(started);
      else this.#started.push(started);
    });

  /** Runs that started and that `next` did not give yet. */
  get unseen(): number {
    return this.#started.length;
  }

  /** The next run that starts. */
  next(): Promise<HandRun> {
    const started = this.#started.shift();
    return started ? Promise.resolve(started) : new Promise((resolve) => this.#waiting.push(resolve));
  }
}
