import { ArgumentError } from "../../errors.js";
import type { Picture } from "../../image/picture.js";
import type { Turn } from "../../runtime/call-queue.js";
import type { Tensor } from "../../tensor/tensor.js";

/** A finished denoising step. */
export interface DenoisingStep {
  /** The number of steps before this one. */
  readonly index: number;
  /**
   * The number of all steps. A second-order scheduler takes two for each inference step. With a scheduler that chooses its steps as it
   * goes, the number known so far.
   */
  readonly total: number;
  /** The timestep of this step. Timesteps go down from the noisiest. */
  readonly timestep: number;
  /** The latents after the step [batch, channels, height / factor, width / factor]. */
  readonly latents: Tensor;
  /** The pictures as the network expects them now, decoded from its estimate of the noiseless latents. Takes the time of one decoding. */
  preview(): Promise<Picture[]>;
}

/**
 * A running call: iterate over its steps in one loop; `break`, `return()` and `throw()` cancel it. Nothing is computed before the first
 * step is requested or `result` is awaited.
 *
 * A run joins the queue with its first step and keeps its turn to the end. A loop that does not request the next step for one second loses
 * the turn to waiting calls. When it goes on, it is the next. Previews count as work.
 */
export interface PipelineRun<Result> extends AsyncGenerator<DenoisingStep, Result, void> {
  /**
   * The pictures, after the last step. If it is awaited without a loop, it takes the steps itself. Rejects if the run fails or is stopped
   * early.
   */
  readonly result: Promise<Result>;
  /**
   * 0 while the run computes, 1 for the first run that waits, and so on. Undefined before the first step is requested and after the end.
   */
  readonly position: number | undefined;
}

/** Makes a run of a generator of steps. The generator takes the turn itself, after it has checked the request. */
export function pipelineRun<Result>(turn: Turn, steps: AsyncGenerator<DenoisingStep, Result, void>): PipelineRun<Result> {
  return new TurnTakingRun(turn, steps);
}

class TurnTakingRun<Result> implements PipelineRun<Result> {
  readonly result: Promise<Result>;
  private consumer: "loop" | "result" | undefined;
  private isIterated = false;
  private settle = { resolve: (_: Result) => {}, reject: (_: unknown) => {} };
  private readonly watched: AsyncGenerator<DenoisingStep, Result, void>;

  constructor(
    private readonly turn: Turn,
    private readonly steps: AsyncGenerator<DenoisingStep, Result, void>,
  ) {
    this.watched = this.watch();
    this.result = new AskedPromise<Result>(
      (resolve, reject) => {
        this.settle = { resolve, reject };
      },
      () => this.drive(),
    );
  }

  get position(): number | undefined {
    return this.turn.position;
  }

  async next(): Promise<IteratorResult<DenoisingStep, Result>> {
    if (this.consumer === "result") throw twoConsumers("its result already takes them");
    this.consumer = "loop";
    return this.watched.next();
  }

  async return(value: Result | PromiseLike<Result>): Promise<IteratorResult<DenoisingStep, Result>> {
    this.leave(leftEarly());
    return this.watched.return(value);
  }

  async throw(error: unknown): Promise<IteratorResult<DenoisingStep, Result>> {
    this.leave(error);
    return this.watched.throw(error);
  }

  /** @throws ArgumentError for a second loop. */
  [Symbol.asyncIterator](): this {
    if (this.isIterated) throw twoConsumers("a loop already takes them");
    this.isIterated = true;
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return(undefined as Result);
  }

  /** Rejects the result if it is pending, and ends the wait for the turn if the run waits. */
  private leave(reason: unknown): void {
    this.settle.reject(reason);
    if (this.position !== 0) this.turn.release(reason);
  }

  /** Takes the steps for an awaited result, unless a loop starts before the event loop's next turn. */
  private drive(): void {
    setTimeout(() => {
      if (this.consumer) return;
      this.consumer = "result";
      finish(this.watched).catch(() => {});
    });
  }

  private async *watch(): AsyncGenerator<DenoisingStep, Result, void> {
    const { turn, steps } = this;
    try {
      for (;;) {
        const { done, value } = await steps.next();
        if (done) {
          turn.release();
          this.settle.resolve(value);
          return value;
        }
        turn.rest();
        yield { ...value, preview: () => turn.during(value.preview) };
        await turn.resume();
      }
    } catch (error) {
      this.settle.reject(error);
      throw error;
    } finally {
      this.settle.reject(leftEarly());
      // Runs the steps' own `finally`, which may free a network's memory.
      await steps.return(undefined as Result).catch(() => {});
      turn.release();
    }
  }
}

/** A promise that calls `onAsked` when it is awaited. */
class AskedPromise<Result> extends Promise<Result> {
  static override get [Symbol.species](): PromiseConstructor {
    return Promise;
  }

  constructor(
    executor: ConstructorParameters<typeof Promise<Result>>[0],
    private readonly onAsked: () => void,
  ) {
    super(executor);
    // A program that only iterates must not get an unhandled rejection.
    super.then(undefined, () => {});
  }

  // biome-ignore lint/suspicious/noThenProperty: a promise
  override then<Value = Result, Other = never>(...handlers: Parameters<Promise<Result>["then"]>): Promise<Value | Other> {
    this.onAsked();
    return super.then(...handlers) as Promise<Value | Other>;
  }
}

function leftEarly(): DOMException {
  return new DOMException("the run was stopped before its last step", "AbortError");
}

function twoConsumers(found: string): ArgumentError {
  return new ArgumentError(`a run's steps can be taken once; ${found}`, {
    hint: "use one loop, or await result alone; steps(request) makes another run",
  });
}

/** Runs to the end and returns the result. */
export async function finish<Result>(run: Pick<AsyncGenerator<DenoisingStep, Result, void>, "next">): Promise<Result> {
  for (;;) {
    const { done, value } = await run.next();
    if (done) return value;
  }
}
