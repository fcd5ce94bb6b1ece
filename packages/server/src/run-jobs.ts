import { ArgumentError } from "darkroom";
import type { Jobs, JobWorker } from "./jobs/jobs.js";
import type { Offer, PartialOffer } from "./models/offer.js";
import type { ResultStore } from "./results/result-store.js";
import type { SlotStatus } from "./worker/slot.js";
import { createHandler, type HandlerOptions } from "./worker/supervisor.js";

/** How jobs are done. */
export interface RunOptions
  extends Pick<HandlerOptions, "slots" | "threads" | "memoryBudget" | "recycleAbove" | "killAfter" | "startTimeout" | "log"> {
  /** What requests can name, and where it runs; the embedded checkpoint by default. */
  readonly offer?: PartialOffer | undefined;
  /** Told the errors that clients do not see. Bodies of requests are in none of them. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** Jobs are being done. */
export interface Runner extends JobWorker {
  /** What the slots are doing. */
  status(): readonly SlotStatus[];
}

/** What {@link runJobs} needs to know. */
interface RunJobsOptions extends Omit<RunOptions, "offer" | "onError"> {
  readonly offer: Offer;
  readonly results: ResultStore;
  /** Other processes have the jobs of other models. */
  readonly sharesQueue: boolean;
}

/** A process has so many bytes before it opens a model: with a smaller budget, each model would be closed after each job. */
const LEAST_BUDGET = 128 * 2 ** 20;

/** Checks what can be wrong before anything is opened. @throws ArgumentError */
export function checkRunOptions({ memoryBudget: budget }: Pick<RunOptions, "memoryBudget">): void {
  if (budget === undefined || budget >= LEAST_BUDGET) return;
  throw new ArgumentError(
    (name) => `${name("memoryBudget")} is ${budget} bytes; a process needs more before it opens a model: expected at least ${LEAST_BUDGET}`,
    { argument: "memoryBudget", hint: (name) => `such as ${name("memoryBudget", { value: "6GB", code: "memoryBudget: 6e9" })}` },
  );
}

/** Does the jobs of a queue, in processes that have the models. */
export function runJobs(jobs: Jobs, { sharesQueue, ...options }: RunJobsOptions): Runner {
  const { slots = 1, log = () => undefined, offer } = options;
  const handler = createHandler({ ...options, slots, log });
  // Alone, it takes jobs of models that it no longer has, too: they fail with the reason.
  const worker = jobs.work(handler, { slots, models: sharesQueue ? offer.models.map(({ name }) => name) : undefined });
  return {
    status: () => handler.status(),
    drain: () => worker.drain(),
    async close() {
      await worker.close();
      await handler.close();
    },
  };
}
