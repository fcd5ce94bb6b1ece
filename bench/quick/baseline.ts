import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describeMachine, type Machine } from "../machine.js";
import { ROOT } from "../paths.js";
import { formatMebibytes, formatSeconds, markdownTable } from "../tables.js";
import type { Times } from "./calibration.js";

/** What one row of a quick run came to. Times are multiples of the calibration's. */
export interface QuickRow {
  readonly time: number;
  readonly processor: number;
  /** The peak of the resident memory, in MiB. */
  readonly memory: number;
}

/** A quick run, as it is saved for later ones to be compared with. */
export interface QuickRun {
  readonly date: string;
  readonly kind: string;
  readonly machine: Machine;
  readonly versions: Readonly<Record<string, string>>;
  readonly rounds: number;
  /** The product that times are multiples of, at its fastest. */
  readonly calibration: Times;
  readonly rows: Readonly<Record<string, QuickRow>>;
}

/** Something that takes this many times as long as in the baseline is called slower. Runs on one machine differ by a tenth. */
const NOTICEABLE = 1.2;

/** The file of a kind's baseline. */
export function baselinePath(kind: string, folder = join(ROOT, "bench/baselines")): string {
  return join(folder, `${kind}.json`);
}

/** The baseline in this file; undefined if there is none. */
export function readBaseline(path: string): QuickRun | undefined {
  return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : undefined;
}

export function saveBaseline(path: string, run: QuickRun): void {
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, `${JSON.stringify(run, null, 2)}\n`);
}

/** A run beside its baseline, as a table, and a sentence that names what is slower or faster. */
export function describeQuickRun(run: QuickRun, baseline: QuickRun): string {
  const rows = Object.entries(run.rows).map(([name, now]) => ({ name, now, before: baseline.rows[name] }));
  const named = (ratioFits: (ratio: number) => boolean) =>
    rows.flatMap(({ name, now, before }) => (before && ratioFits(lesserRatio(now, before)) ? [name] : []));
  const [slower, faster] = [named((ratio) => ratio > NOTICEABLE), named((ratio) => ratio < 1 / NOTICEABLE)];
  const gone = Object.keys(baseline.rows).filter((name) => !(name in run.rows));
  return [
    `Speed beside the baseline of ${run.kind}: saved ${baseline.date.slice(0, 10)} with darkroom ${baseline.versions.darkroom}, ${describeMachine(baseline.machine)}.`,
    [
      "1.00 is as long as then, in relation to a float32 product on the same cores, which took",
      `${formatSeconds(run.calibration.seconds)} now and ${formatSeconds(baseline.calibration.seconds)} then.`,
      `Medians of ${run.rounds} ${run.rounds === 1 ? "round" : "rounds"}.`,
      ...(run.machine.cores === baseline.machine.cores
        ? []
        : [`There are ${run.machine.cores} cores now: with another number of cores, ratios differ.`]),
    ].join(" "),
    markdownTable([
      ["", "time", "processor time", "peak memory"],
      ...rows.map(({ name, now, before }) => [
        name,
        beside(now.time, before?.time),
        beside(now.processor, before?.processor),
        `${formatMebibytes(now.memory)} (${beside(now.memory, before?.memory)})`,
      ]),
    ]),
    `Slower: ${slower.join("; ") || "nothing"}. Faster: ${faster.join("; ") || "nothing"}.`,
    ...(gone.length > 0 ? [`Not measured this time: ${gone.join("; ")}.`] : []),
  ].join("\n\n");
}

/** Other processes on the machine lengthen one of the two more than the other; a change of ours lengthens both. */
function lesserRatio(now: QuickRow, then: QuickRow): number {
  const [time, processor] = [now.time / then.time, now.processor / then.processor];
  return Math.abs(Math.log(time)) < Math.abs(Math.log(processor)) ? time : processor;
}

function beside(now: number, then: number | undefined): string {
  return then === undefined ? "new" : (now / then).toFixed(2);
}
