import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { FamilyName, Scale } from "./checkpoints/families.js";
import type { Machine } from "./machine.js";
import type { PeakMemory } from "./process-memory.js";

/** The results of one contender in one measurement, over all rounds. */
export interface Result {
  readonly measurement: string;
  readonly title: string;
  readonly contender: string;
  /** Every measured time, by row. */
  readonly seconds: Record<string, number[]>;
  /** The peak of every process. */
  readonly memory: PeakMemory[];
  /** Why there is nothing, or nothing more. */
  failure?: string;
}

/** A saved run. */
export interface Run {
  readonly date: string;
  readonly machine: Machine;
  readonly versions: Readonly<Record<string, string>>;
  readonly checkpoint: FamilyName;
  readonly scale: Scale;
  readonly rounds: number;
  readonly repeats: number;
  /** The first one is the reference of the ratios. */
  readonly contenders: readonly string[];
  readonly results: readonly Result[];
}

/** Writes the run to `<date>-<checkpoint>-<machine>.json`, replaces an earlier version, and returns the path. */
export function saveRun(folder: string, run: Run): string {
  mkdirSync(folder, { recursive: true });
  const date = run.date.slice(0, 16).replace(":", "");
  const checkpoint = run.scale === "real" ? run.checkpoint : `${run.checkpoint}-${run.scale}`;
  const path = join(folder, `${date}-${checkpoint}-${slugOf(run.machine)}.json`);
  writeFileSync(path, `${JSON.stringify(run, null, 2)}\n`);
  return path;
}

/** A machine's processor in a file's name. */
export function slugOf({ cpu }: Machine): string {
  return cpu
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-|-$/g, "");
}

/** @throws Error if the file is not a saved run. */
export function readRun(path: string): Run {
  const run: Partial<Run> = JSON.parse(readFileSync(path, "utf8"));
  const missing = (["date", "machine", "versions", "checkpoint", "contenders", "results"] as const).filter((name) => !(name in run));
  if (missing.length > 0) throw new Error(`${path} is no saved run: it has no ${missing.join(", ")}; npm run bench saves one`);
  return run as Run;
}

/** The middle value, or the mean of the two middle values. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return ((sorted[Math.floor(middle)] ?? Number.NaN) + (sorted[Math.ceil(middle)] ?? Number.NaN)) / 2;
}
