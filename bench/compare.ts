import { type Contender, isFor } from "./contenders.js";
import { withLock } from "./lock.js";
import { ownVersions, thisMachine } from "./machine.js";
import type { Measurement } from "./measurements.js";
import { median, type Result, type Run } from "./results.js";
import { type Outcome, runJob } from "./run-job.js";
import { formatMebibytes, formatSeconds } from "./tables.js";

/** What is compared, and how thoroughly. */
export interface Comparison extends Pick<Run, "checkpoint" | "scale" | "rounds" | "repeats"> {
  /** The first one is the reference of the ratios. */
  readonly contenders: readonly Contender[];
  readonly measurements: readonly Measurement[];
}

/**
 * Measures everything `rounds` times, the contenders in turn. After every process, `onProgress` gets the run so far and the new result.
 */
export async function compare(
  { contenders, measurements, ...settings }: Comparison,
  onProgress: (run: Run, news: string) => void,
): Promise<Run> {
  const { rounds, scale } = settings;
  const turns = measurements.flatMap((measurement) =>
    contenders
      .filter((contender) => isFor(contender, measurement, scale))
      .map((contender) => ({ measurement, contender, result: noResult(contender, measurement) })),
  );
  const versions = ownVersions();
  const run: Run = {
    date: new Date().toISOString(),
    machine: thisMachine(),
    versions,
    ...settings,
    contenders: contenders.map(({ name }) => name),
    results: turns.map(({ result }) => result),
  };
  await withLock(() => prepare(turns));
  for (let round = 0; round < rounds; round++) {
    for (const measurement of measurements) {
      // Every round begins with another contender, so that the effects of the previous one (a warm processor, a full page cache) are
      // shared.
      const inTurn = rotate(
        turns.filter((turn) => turn.measurement === measurement),
        round,
      );
      await withLock(async () => {
        for (const { contender, result } of inTurn.filter(({ result }) => !result.failure)) {
          const outcome = await runJob(contender, measurement.job);
          Object.assign(versions, outcome.versions);
          const told = add(result, measurement, outcome);
          onProgress({ ...run, rounds: round + 1 }, `round ${round + 1}, ${result.title}, ${contender.name}: ${told}`);
        }
      });
    }
  }
  return run;
}

interface Turn {
  readonly measurement: Measurement;
  readonly contender: Contender;
  readonly result: Result;
}

/** Runs the contenders' preparation for a checkpoint. If it fails, the contender's results say so. */
async function prepare(turns: readonly Turn[]): Promise<void> {
  const done = new Map<string, string | undefined>();
  for (const { contender, measurement, result } of turns.filter(({ contender }) => contender.tasks.includes("prepare"))) {
    const key = `${contender.name} ${measurement.job.checkpoint}`;
    if (!done.has(key)) done.set(key, (await runJob(contender, { ...measurement.job, task: "prepare" })).failure);
    result.failure = done.get(key);
  }
}

/** Adds an outcome to a result, and prints it in a line. */
function add(result: Result, { rows }: Measurement, outcome: Outcome): string {
  if (outcome.failure !== undefined) {
    result.failure = outcome.failure;
    return outcome.failure;
  }
  const times = Object.entries(rows).map(([row, secondsOf]) => {
    const seconds = secondsOf(outcome);
    result.seconds[row] = [...(result.seconds[row] ?? []), ...seconds];
    return median(seconds);
  });
  if (outcome.memory) result.memory.push(outcome.memory);
  return [...times.map(formatSeconds), ...(outcome.memory ? [formatMebibytes(outcome.memory.total)] : [])].join(", ");
}

function noResult({ name: contender }: Contender, { name: measurement, title }: Measurement): Result {
  return { measurement, title, contender, seconds: {}, memory: [] };
}

function rotate<Item>(items: readonly Item[], by: number): Item[] {
  const start = by % Math.max(1, items.length);
  return [...items.slice(start), ...items.slice(0, start)];
}
