import { wrongArgument } from "../given.js";
import type { Engine } from "./engine.js";

/** Milliseconds after which a call that rests between two steps loses its turn to a waiting call. */
const PATIENCE = 1000;

/**
 * A pipeline's queue of calls: first in, first out. Pipelines that share a UNet share its queue. `encodePrompt` and direct calls of a
 * network (`forward`, `encode`, `decode`) do not wait in it: they run between two steps of the running call.
 */
export interface PipelineQueue {
  /**
   * How many calls run at once. By default 1, so that each call ends as early as possible. With more, calls alternate step by step, and all
   * end late.
   */
  concurrency: number;
  /** Number of running calls. */
  readonly running: number;
  /** Number of waiting calls. */
  readonly waiting: number;
}

/** The queue of calls for an engine. */
export class CallQueue implements PipelineQueue {
  private limit = 1;
  private readonly working = new Set<Turn>();
  private line: Waiting[] = [];
  private closed: Error | undefined;

  get concurrency(): number {
    return this.limit;
  }

  /** @throws ArgumentError unless the value is a whole number of at least 1, or Infinity. */
  set concurrency(concurrency: number) {
    this.limit = expectConcurrency(concurrency);
    this.advance();
  }

  get running(): number {
    return this.working.size;
  }

  get waiting(): number {
    return this.line.length;
  }

  /** A turn for a call. The call joins the queue with {@link Turn.take}. */
  turn(): Turn {
    return new Turn(this);
  }

  /** Fails all waiting calls and all later ones with this error. */
  close(error: Error): void {
    this.closed = error;
    for (const { reject } of this.line.splice(0)) reject(error);
  }

  /** The turn's place: 0 while its call runs, 1 for the first waiting call. */
  positionOf(turn: Turn): number | undefined {
    if (this.working.has(turn)) return 0;
    const index = this.line.findIndex((waiting) => waiting.turn === turn);
    return index < 0 ? undefined : index + 1;
  }

  /** Waits until `turn` may run. A turn that comes `back` after a rest is placed before all calls that have not begun. */
  async join(turn: Turn, signal: AbortSignal | undefined, back: boolean): Promise<void> {
    signal?.throwIfAborted();
    if (this.closed) throw this.closed;
    const leave = () => this.leave(turn, signal?.reason);
    signal?.addEventListener("abort", leave);
    try {
      await new Promise<void>((resolve, reject) => {
        const ahead = back ? this.line.filter((other) => other.back).length : this.line.length;
        this.line.splice(ahead, 0, { turn, back, resolve, reject });
        this.advance();
      });
    } finally {
      signal?.removeEventListener("abort", leave);
    }
  }

  /** Ends the turn. If it still waits, it leaves the queue, and `join` fails with `reason`. */
  leave(turn: Turn, reason?: unknown): void {
    this.working.delete(turn);
    const waiting = this.line.find((other) => other.turn === turn);
    this.line = this.line.filter((other) => other !== waiting);
    waiting?.reject(reason);
    this.advance();
  }

  /** Starts waiting calls, in the place of finished calls and of calls that have rested for too long. */
  advance(): void {
    for (const turn of this.working) {
      if (this.line.length === 0 || this.working.size + this.line.length <= this.limit) break;
      if (turn.isUnused) this.working.delete(turn);
    }
    while (this.line.length > 0 && this.working.size < this.limit) {
      const { turn, resolve } = this.line.shift() as Waiting;
      this.working.add(turn);
      resolve();
    }
  }
}

interface Waiting {
  readonly turn: Turn;
  readonly back: boolean;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * One call's turn, from its first step to its end. A call that rests for too long between two steps loses its turn to a waiting call until
 * it goes on.
 */
export class Turn {
  /** Whether the call has rested for too long. */
  isUnused = false;
  private isTaken = false;
  private isResting = false;
  private signal: AbortSignal | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** Use {@link CallQueue.turn}. */
  constructor(private readonly queue: CallQueue) {}

  /**
   * 0 while the call runs, 1 for the first waiting call. Undefined before it joins the queue, after it ends, and while another call has its
   * turn.
   */
  get position(): number | undefined {
    return this.queue.positionOf(this);
  }

  /** Waits for the turn. @throws the signal's reason when it is aborted; DeviceError after `dispose`. */
  async take(signal: AbortSignal | undefined): Promise<void> {
    this.signal = signal;
    await this.queue.join(this, signal, false);
    this.isTaken = true;
  }

  /** The call pauses until {@link resume}. */
  rest(): void {
    this.isResting = true;
    clearTimeout(this.timer);
    if (!this.isTaken) return;
    this.timer = setTimeout(() => {
      this.isUnused = true;
      this.queue.advance();
    }, PATIENCE);
  }

  /** Does work during a pause, such as a preview. The turn is not lost during the work. */
  async during<Result>(work: () => Promise<Result>): Promise<Result> {
    clearTimeout(this.timer);
    this.isUnused = false;
    try {
      return await work();
    } finally {
      if (this.isResting) this.rest();
    }
  }

  /** The call goes on. If another call has its turn, it waits first. */
  async resume(): Promise<void> {
    this.isResting = false;
    this.isUnused = false;
    clearTimeout(this.timer);
    if (this.isTaken && this.position !== 0) await this.queue.join(this, this.signal, true);
  }

  /** Ends the turn. If the call still waits, {@link take} fails with `reason`. */
  release(reason?: unknown): void {
    this.isResting = false;
    this.isTaken = false;
    clearTimeout(this.timer);
    this.queue.leave(this, reason);
  }
}

const queues = new WeakMap<Engine, CallQueue>();

/** The queue for an engine. */
export function callQueueOf(engine: Engine): CallQueue {
  const queue = queues.get(engine) ?? new CallQueue();
  queues.set(engine, queue);
  return queue;
}

/** @throws ArgumentError unless the value is a valid concurrency. */
function expectConcurrency(concurrency: number): number {
  if (isConcurrency(concurrency)) return concurrency;
  throw wrongArgument("concurrency", concurrency, CONCURRENCY, { type: "number" });
}

/** Whether the value is a valid concurrency. */
export function isConcurrency(value: unknown): value is number {
  return value === Number.POSITIVE_INFINITY || (Number.isSafeInteger(value) && (value as number) >= 1);
}

/** The values that {@link isConcurrency} accepts, for messages. */
export const CONCURRENCY = "a whole number, at least 1, or Infinity";
