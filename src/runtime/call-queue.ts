import { wrongArgument } from "../given.js";
import type { Engine } from "./engine.js";

/** Milliseconds for which a run keeps its turn while its consumer asks for no further step and others wait. */
const PATIENCE = 1000;

/** The line in which a pipeline's calls wait: first come, first done. Pipelines that share a UNet share its line. */
export interface PipelineQueue {
  /** How many calls work at once: 1 by default, so that each is done as early as it can be. More take turns step by step, and all are done late. */
  concurrency: number;
  /** Calls that work. */
  readonly running: number;
  /** Calls that wait. */
  readonly waiting: number;
}

/** The line in which calls wait for an engine. */
export class CallQueue implements PipelineQueue {
  private limit = 1;
  private readonly working = new Set<Turn>();
  private line: Waiting[] = [];
  private closed: Error | undefined;

  get concurrency(): number {
    return this.limit;
  }

  /** @throws ArgumentError unless it is a whole number of at least 1, or Infinity. */
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

  /** The turn of a call that comes now, or later: it joins the line when it takes it. */
  turn(): Turn {
    return new Turn(this);
  }

  /** Sends all that wait away with this error, and all that will come. */
  close(error: Error): void {
    this.closed = error;
    for (const { reject } of this.line.splice(0)) reject(error);
  }

  /** The turn's place: 0 while it works, 1 as the first in line. */
  positionOf(turn: Turn): number | undefined {
    if (this.working.has(turn)) return 0;
    const index = this.line.findIndex((waiting) => waiting.turn === turn);
    return index < 0 ? undefined : index + 1;
  }

  /** Resolves when the turn has come; one that comes `back` goes before all that have not begun. */
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

  /** The turn is over, or its place in the line is given up; who waits for it is told `reason`. */
  leave(turn: Turn, reason?: unknown): void {
    this.working.delete(turn);
    const waiting = this.line.find((other) => other.turn === turn);
    this.line = this.line.filter((other) => other !== waiting);
    waiting?.reject(reason);
    this.advance();
  }

  /** Gives the turns that are free, or that their owners do not use, to those who wait. */
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

/** One call's turn: taken once, given up at the end. A call that rests between its steps for longer than others need wait loses it until it goes on. */
export class Turn {
  /** Whether the call has rested for so long. */
  isUnused = false;
  private isTaken = false;
  private isResting = false;
  private signal: AbortSignal | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** Use {@link CallQueue.turn}. */
  constructor(private readonly queue: CallQueue) {}

  /** 0 while the call works, 1 as the first in line, undefined before it begins, after it ends, and while its turn is with others. */
  get position(): number | undefined {
    return this.queue.positionOf(this);
  }

  /** Waits for the turn. @throws the signal's reason once it is aborted; DeviceError after `dispose`. */
  async take(signal: AbortSignal | undefined): Promise<void> {
    this.signal = signal;
    await this.queue.join(this, signal, false);
    this.isTaken = true;
  }

  /** The call does nothing until {@link resume}. */
  rest(): void {
    this.isResting = true;
    clearTimeout(this.timer);
    if (!this.isTaken) return;
    this.timer = setTimeout(() => {
      this.isUnused = true;
      this.queue.advance();
    }, PATIENCE);
  }

  /** What the call does while it rests, such as a preview: its turn is not lost meanwhile. */
  async during<Result>(work: () => Promise<Result>): Promise<Result> {
    clearTimeout(this.timer);
    this.isUnused = false;
    try {
      return await work();
    } finally {
      if (this.isResting) this.rest();
    }
  }

  /** The call goes on, once it has its turn back if others have it. */
  async resume(): Promise<void> {
    this.isResting = false;
    this.isUnused = false;
    clearTimeout(this.timer);
    if (this.isTaken && this.position !== 0) await this.queue.join(this, this.signal, true);
  }

  /** Ends the turn, or the wait for it, which then fails with `reason`. */
  release(reason?: unknown): void {
    this.isResting = false;
    this.isTaken = false;
    clearTimeout(this.timer);
    this.queue.leave(this, reason);
  }
}

const queues = new WeakMap<Engine, CallQueue>();

/** The line for an engine. */
export function callQueueOf(engine: Engine): CallQueue {
  const queue = queues.get(engine) ?? new CallQueue();
  queues.set(engine, queue);
  return queue;
}

/** @throws ArgumentError unless it is a whole number of at least 1, or Infinity. */
export function expectConcurrency(concurrency: number): number {
  if (isConcurrency(concurrency)) return concurrency;
  throw wrongArgument("concurrency", concurrency, CONCURRENCY, { type: "number" });
}

/** Whether so many calls can work at once. */
export function isConcurrency(value: unknown): value is number {
  return value === Number.POSITIVE_INFINITY || (Number.isSafeInteger(value) && (value as number) >= 1);
}

/** What {@link isConcurrency} takes, in the words of a message. */
export const CONCURRENCY = "a whole number, at least 1, or Infinity";
