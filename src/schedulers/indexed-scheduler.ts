import { ArgumentError } from "../errors.js";
import { Scheduler } from "./scheduler.js";

/**
 * A scheduler that walks along its timesteps by position, so that they may repeat or be fractions. The first `step` (or `scaleModelInput`)
 * finds its place by timestep, or at `setBeginIndex`; later ones follow on.
 */
export abstract class IndexedScheduler<Config extends object = object> extends Scheduler<Config> {
  /** Where the next step starts in `timesteps`; undefined before the first. */
  protected stepIndex: number | undefined;
  protected beginIndex: number | undefined;

  override setBeginIndex(beginIndex: number): void {
    this.beginIndex = beginIndex;
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
    const first = this.timesteps.indexOf(timestep);
    if (first < 0) {
      throw new ArgumentError(`${this.className}: timestep ${timestep} is not one of the scheduler's timesteps`, {
        hint: "pass a value of scheduler.timesteps, not its index",
      });
    }
    const second = this.timesteps.indexOf(timestep, first + 1);
    return second < 0 ? first : second;
  }
}
