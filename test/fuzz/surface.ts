import { writeFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it, onTestFinished } from "vitest";
import { DarkroomError } from "../../src/errors.js";
import { setWarningHandler } from "../../src/warnings.js";
import { temporaryFolder } from "../helpers/temporary.js";
import { Watchdog } from "./watchdog.js";

/**
 * Minutes each surface is attacked for: set by `npm run fuzz`. Without it every attack has a number of runs, and all take half a minute.
 */
const MINUTES = Number(process.env.FUZZ_MINUTES ?? 0);
/** Every failure names its seed; with it the same inputs come again. */
const SEED = Number(process.env.FUZZ_SEED ?? Math.trunc(Math.random() * 2 ** 31));
/** A file in which every input is written before it is tried: it tells what the watchdog ended. */
const TRACE = process.env.FUZZ_TRACE;
/** Letters of the longest message: more fills the screen. */
const LONGEST_MESSAGE = 3000;

const watchdog = new Watchdog();

/** One way to attack a surface. */
export interface Attack {
  /** What is attacked and how, as a test's name. */
  readonly name: string;
  readonly isBrief: boolean;
  run(surface: string, seconds: number): Promise<void>;
}

/**
 * An attack with `runs` inputs, or as many as there is time for. `strike` fails by throwing anything; what it lets {@link refusing} swallow
 * is fine. It is given a folder on disk, empty at first, that all its runs share.
 * @param options.isBrief no time changes the number of runs: the inputs are few, or dear.
 */
export function attack<Input>(
  name: string,
  inputs: fc.Arbitrary<Input>,
  strike: (input: Input, folder: string) => unknown,
  { runs = 100, isBrief = false }: { readonly runs?: number; readonly isBrief?: boolean } = {},
): Attack {
  return {
    name,
    isBrief,
    run: async (surface, seconds) => {
      const folder = temporaryFolder();
      watchdog.watch(`${surface} > ${name}, FUZZ_SEED=${SEED}`);
      const property = fc.asyncProperty(inputs, async (input) => {
        watchdog.beat();
        if (TRACE) writeFileSync(TRACE, fc.stringify(input));
        await strike(input, folder);
      });
      const bounds =
        seconds > 0 && !isBrief
          ? { numRuns: Number.MAX_SAFE_INTEGER, interruptAfterTimeLimit: seconds * 1000, markInterruptAsFailure: false }
          : { numRuns: runs };
      try {
        await fc.assert(property, { seed: SEED, ...bounds });
      } finally {
        watchdog.rest();
      }
    },
  };
}

/**
 * What files from anywhere, or texts of anybody, are read by: everything that comes in there is either of use or refused with a typed
 * error.
 */
export function surface(name: string, attacks: readonly Attack[]): void {
  const seconds = (MINUTES * 60) / Math.max(attacks.filter(({ isBrief }) => !isBrief).length, 1);
  describe(name, () => {
    it.each(attacks.map((each) => [each.name, each] as const))(
      "%s",
      async (_, each) => {
        const previous = setWarningHandler(expectReadable);
        onTestFinished(() => void setWarningHandler(previous));
        await each.run(name, seconds);
      },
      seconds * 1000 + 120_000,
    );
  });
}

/**
 * What `work` gives; undefined if it refuses with one of Darkroom's errors, which says so in words one can read. Any other error is thrown.
 */
export async function refusing<Result>(work: () => Result | Promise<Result>): Promise<Result | undefined> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof DarkroomError)) throw error;
    expectReadable(error.message);
    if (error.hint !== undefined) expectReadable(error.hint);
    return undefined;
  }
}

/** A message fits a screen, and steers no terminal. */
function expectReadable(message: string): void {
  expect(message.length).toBeLessThanOrEqual(LONGEST_MESSAGE);
  expect(message).not.toMatch(/[^\P{Cc}\n\t]/u);
}
