import { ArgumentError } from "../../errors.js";
import { expectField } from "../../options/check-options.js";
import { whole } from "../../options/fields.js";
import { Scheduler } from "./scheduler.js";

/** Timesteps that are fractions may come from elsewhere, such as from Python, whose logarithms and sines differ in their last bits. */
const ROUNDING = 2e-6;

/**
 * A scheduler that walks along its timesteps by position, so that they may repeat or be fractions. The first `step` (or `scaleModelInput`)
 * finds its place by timestep, or at `setBeginIndex`; later ones follow on.
 */
export abstract class IndexedScheduler<Config extends object = object> extends Scheduler<Config> {
  /** Where the next step starts in `timesteps`; undefined before the first. */
  protected stepIndex: number | undefined;
  protected beginIndex: number | undefined;

  override setBeginIndex(beginIndex: number): void {
    this.beginIndex = expectField("beginIndex", beginIndex, whole(0));
  }

  /** Forgets the place of the previous run. */
  protected restart(): void {
    this.stepIndex = undefined;
    this.beginIndex = undefined;
  }

  /** The position of the step at `timestep`, found once per run. */
  protected currentIndex(timestep: number): number {
    this.stepIndex ??= this.beginIndex ?? this.indexOf(timestep);
    return this.stepIndex;
  }

  /**
   * The position of a timestep. Of several equal ones it is the second, so that a run that starts in the middle skips no sigma.
   *
   * @throws ArgumentError if it is none of `timesteps`.
   */
  protected indexOf(timestep: number): number {
    const index = this.find(timestep);
    if (index !== undefined) return index;
    throw new ArgumentError(`${this.className}: timestep ${timestep} is not one of the scheduler's timesteps`, {
      hint: "pass a value of scheduler.timesteps, not its index",
    });
  }

  /** As `indexOf`; undefined where the timestep is none of `timesteps`. */
  protected find(timestep: number): number | undefined {
    const rounding = ROUNDING * Math.max(Math.abs(timestep), 1);
    const equal = this.timesteps.includes(timestep)
      ? (own: number) => own === timestep
      : (own: number) => Math.abs(own - timestep) <= rounding;
    const first = this.timesteps.findIndex(equal);
    if (first < 0) return undefined;
    const second = this.timesteps.findIndex((own, i) => i > first && equal(own));
    return second < 0 ? first : second;
  }
}
