import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describeMachine, type Machine } from "../machine.js";
import { median, slugOf } from "../results.js";
import { formatMebibytes, formatSeconds, markdownTable } from "../tables.js";
import type { Audit } from "./audit.js";
import type { DrillOptions } from "./drill.js";
import type { MemorySample, ProcessMemory } from "./memory.js";
import type { Way } from "./overhead.js";
import type { Fairness } from "./waiting.js";

/** A saved run. Parts that were not asked for are missing. */
export interface ServerRun {
  /** Whether the drill's queue is in Redis, with two workers. */
  readonly redis: boolean;
  readonly date: string;
  readonly machine: Machine;
  readonly versions: Readonly<Record<string, string>>;
  /** Whether threads that wait for work spin; not with DARKROOM_SPIN=0, for machines that are shared. */
  readonly spins: boolean;
  drill?: Omit<DrillOptions, "log"> &
    Audit & { readonly fairness: Fairness; readonly seconds: number; readonly disturbances: readonly string[] };
  memory?: readonly MemorySample[];
  overhead?: readonly Way[];
}

/** Writes the run to `server-<date>-<machine>.json`, with Redis to `server-redis-…`, and returns the path. */
export function saveServerRun(folder: string, run: ServerRun): string {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `server${run.redis ? "-redis" : ""}-${run.date.slice(0, 16).replace(":", "")}-${slugOf(run.machine)}.json`);
  writeFileSync(path, `${JSON.stringify(run, null, 2)}\n`);
  return path;
}

/** The run as tables. */
export function describeServerRun({ redis, date, machine, versions, spins, drill, memory, overhead }: ServerRun): string {
  return [
    `${describeMachine(machine)}; ${date.slice(0, 10)}; ${Object.entries(versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(", ")}${spins ? "" : "; DARKROOM_SPIN=0"}.`,
    ...(drill ? [drillTable(drill, redis)] : []),
    ...(memory ? [memoryTable(memory)] : []),
    ...(overhead ? [overheadTable(overhead)] : []),
  ].join("\n\n");
}

function drillTable(drill: NonNullable<ServerRun["drill"]>, redis: boolean): string {
  const { jobs, clients, batch, outcomes, crashed, disturbances, problems, retries, madeAgain, fairness } = drill;
  const { batchJobsBefore: before } = fairness;
  const times = (what: RegExp) => disturbances.filter((line) => what.test(line)).length;
  const waiting = (of: Fairness["batch"]) => `${formatSeconds(of.median)}, ${formatSeconds(of.longest)}`;
  return markdownTable([
    [`${jobs} jobs from ${clients} clients${redis ? ", with Redis and two workers" : ""}, in ${formatSeconds(drill.seconds)}`, ""],
    ["what clients were left with", listOf(outcomes)],
    ["jobs that were lost, have no end or no reason, or have two results", String(problems.length)],
    ["processes of models killed", String(times(/process of the model/))],
    ...(redis ? [["workers killed", String(times(/worker/))]] : []),
    ["server killed; ended by SIGTERM", `${times(/SIGKILL/)}; ${times(/SIGTERM/)}`],
    ["jobs that ran again after a crash; failed at their second", `${crashed.ranAgain}; ${crashed.failed}`],
    ["requests sent again after a lost connection or a status", listOf(retries)],
    ["pictures made twice, as a client without a key sent its request again", String(madeAgain)],
    [`waiting time of the client with ${batch} jobs at once: median, longest`, waiting(fairness.batch)],
    ["waiting time of the others", waiting(fairness.others)],
    ["its jobs that started while a job of another client waited: mean, most", `${before.mean.toFixed(1)}, ${before.most}`],
  ]);
}

function memoryTable(samples: readonly MemorySample[]): string {
  const [first, last] = [samples[0], samples.at(-1)];
  if (!first || !last) return "";
  const row = (name: string, of: (sample: MemorySample) => number) => [
    name,
    ...samples.map((sample) => formatMebibytes(of(sample))),
    `${(of(last) / of(first)).toFixed(2)}x`,
  ];
  const rows = (name: string, of: (sample: MemorySample) => ProcessMemory) => [
    row(`${name}, resident`, (sample) => of(sample).resident),
    row("- without free pages of JavaScript's heap", (sample) => of(sample).used),
    row("- anonymous", (sample) => of(sample).anonymous),
    row("- the most so far", (sample) => of(sample).peak),
    row("- JavaScript's objects", (sample) => of(sample).heap),
  ];
  return markdownTable([
    ["memory after so many pictures", ...samples.map(({ pictures }) => String(pictures)), "last / first"],
    ...rows("the server's process", ({ server }) => server),
    ...rows("the model's process", ({ model }) => model),
  ]);
}

function overheadTable(ways: readonly Way[]): string {
  return markdownTable([
    ["a picture of the embedded checkpoint", "time", "ratio", "of processors", "ratio"],
    ...ways.map(({ name, turns, ratio, processorRatio }) => [
      name,
      formatSeconds(median(turns.flatMap(({ seconds }) => seconds))),
      `${ratio.toFixed(2)}x`,
      formatSeconds(median(turns.map(({ processor }) => processor))),
      `${processorRatio.toFixed(2)}x`,
    ]),
  ]);
}

function listOf(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .sort(([, a], [, b]) => b - a)
    .map(([name, count]) => `${count} ${name}`)
    .join(", ");
}
