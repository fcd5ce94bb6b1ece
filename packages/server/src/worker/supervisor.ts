import { randomBytes } from "node:crypto";
import { ArgumentError } from "darkroom";
import type { JobResult, StoredPicture } from "../jobs/job.js";
import { JobHandedBack, type JobHandler } from "../jobs/jobs.js";
import type { Offer } from "../models/offer.js";
import type { ResultStore } from "../results/result-store.js";
import { cores } from "./cores.js";
import { availableMemory } from "./memory.js";
import type { JobDone } from "./model-process.js";
import { Slot, type SlotStatus } from "./slot.js";

/** Options of {@link createHandler}. */
export interface HandlerOptions {
  /** What jobs can name. */
  readonly offer: Offer;
  /** Where finished pictures go. */
  readonly results: ResultStore;
  /** Jobs at a time, each in a process of its own; 1 by default. */
  readonly slots?: number | undefined;
  /**
   * Bytes of memory of a process above which it closes the models that were not used for the longest time. By default 60 % of the memory,
   * shared by the slots.
   */
  readonly memoryBudget?: number | undefined;
  /** Bytes of memory of a process above which it is replaced after a job. By default 80 % of the memory, shared by the slots. */
  readonly recycleAbove?: number | undefined;
  /** Threads with which a process computes on the CPU; by default, the slots share the cores. */
  readonly threads?: number | undefined;
  /** Milliseconds until a process that does not stop is killed; 10 seconds by default. */
  readonly killAfter?: number | undefined;
  /** Milliseconds in which a process must be ready; a minute by default. */
  readonly startTimeout?: number | undefined;
  /** Milliseconds before a start that follows a crash, doubled with every further one: half a second to half a minute by default. */
  readonly backoff?: { readonly first: number; readonly longest: number } | undefined;
  /** Gets what processes write to their output, and how they end; standard error by default. Prompts are not in it. */
  readonly log?: ((text: string) => void) | undefined;
  /** The program of the processes, for tests. @internal */
  readonly entry?: string | undefined;
}

/**
 * Does jobs in other processes, which have the models. Nothing that happens there ends this process: a job whose process ends is a
 * `JobCrashed`. Jobs beyond the slots wait for their turn.
 */
export interface ModelHandler extends JobHandler, AsyncDisposable {
  /** What the slots are doing, for health and metrics. */
  status(): readonly SlotStatus[];
  /** Ends all processes. Jobs that run or wait are rejected with `JobHandedBack`. */
  close(): Promise<void>;
}

/**
 * Starts nothing yet: a process is started for the first job.
 * @throws ArgumentError
 */
export function createHandler({ offer, results, slots: count = 1, ...options }: HandlerOptions): ModelHandler {
  for (const [argument, value] of Object.entries({ slots: count, threads: options.threads })) {
    if (value === undefined || (Number.isSafeInteger(value) && value >= 1)) continue;
    throw new ArgumentError(`${argument} is ${value}; expected a whole number, at least 1`, { argument });
  }
  const share = availableMemory() / count;
  const slots = Array.from(
    { length: count },
    () =>
      new Slot({
        offer,
        entry: options.entry,
        // One process alone has its own way to use all cores.
        threads: options.threads ?? (count === 1 ? undefined : Math.max(1, Math.floor(cores() / count))),
        memoryBudget: options.memoryBudget ?? share * 0.6,
        recycleAbove: options.recycleAbove ?? share * 0.8,
        killAfter: options.killAfter ?? 10_000,
        startTimeout: options.startTimeout ?? 60_000,
        backoff: options.backoff ?? { first: 500, longest: 30_000 },
        log: options.log ?? ((text) => void process.stderr.write(text)),
      }),
  );
  const pool = new SlotPool(slots);

  const handler: JobHandler = async (job, run) => {
    const slot = await pool.take(job.model, run.signal);
    try {
      const { id, door, model, request, output, previewEvery } = job;
      return await stored(await slot.run({ id, door, model, request, output, previewEvery }, run), results);
    } finally {
      pool.giveBack(slot);
    }
  };
  const close = () => pool.close();
  return Object.assign(handler, { status: () => slots.map(({ status }) => status), close, [Symbol.asyncDispose]: close });
}

/** Stores the pictures of a whole job: one that is cancelled or crashes leaves none behind. */
async function stored({ pictures, settings, warnings, seconds }: JobDone, results: ResultStore): Promise<JobResult> {
  const all: StoredPicture[] = [];
  for (const { bytes, ...facts } of pictures) {
    const hash = await results.put(bytes, facts.type);
    all.push({ id: randomBytes(16).toString("base64url"), hash, bytes: bytes.length, ...facts });
  }
  return { pictures: all, settings, warnings, seconds };
}

/** Gives each job a slot of its own, by preference one whose process has the job's model open. */
class SlotPool {
  private readonly free: Set<Slot>;
  private readonly waiting: { readonly model: string; readonly take: (slot: Slot) => void; readonly refuse: (error: Error) => void }[] = [];
  private isClosed = false;

  constructor(private readonly slots: readonly Slot[]) {
    this.free = new Set(slots);
  }

  async take(model: string, signal: AbortSignal): Promise<Slot> {
    signal.throwIfAborted();
    if (this.isClosed) throw new JobHandedBack("the server closes");
    const slot = this.choose(model);
    if (slot) return slot;
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.waiting.splice(this.waiting.indexOf(entry), 1);
        reject(signal.reason);
      };
      const settled =
        <Value>(settle: (value: Value) => void) =>
        (value: Value) => {
          signal.removeEventListener("abort", leave);
          settle(value);
        };
      const entry = { model, take: settled<Slot>(resolve), refuse: settled<Error>(reject) };
      this.waiting.push(entry);
      signal.addEventListener("abort", leave, { once: true });
    });
  }

  giveBack(slot: Slot): void {
    const next = this.waiting.shift();
    if (next) next.take(slot);
    else this.free.add(slot);
  }

  async close(): Promise<void> {
    this.isClosed = true;
    for (const { refuse } of this.waiting.splice(0)) refuse(new JobHandedBack("the server closes"));
    await Promise.all(this.slots.map((slot) => slot.close()));
  }

  private choose(model: string): Slot | undefined {
    const free = [...this.free];
    const slot =
      free.find(({ status }) => status.models.includes(model)) ?? free.find(({ status }) => status.models.length === 0) ?? free[0];
    if (slot) this.free.delete(slot);
    return slot;
  }
}
