import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Contender } from "./contenders.js";
import { withLock } from "./lock.js";
import type { Measurement } from "./measurements.js";
import { runJob } from "./run-job.js";
import { formatSeconds, markdownTable } from "./tables.js";

/** An event of ONNX Runtime's profile; its begin `ts` and duration `dur` in microseconds. */
export interface ProfileEvent {
  readonly cat: string;
  readonly name: string;
  readonly ts: number;
  readonly dur: number;
  readonly args?: { readonly op_name?: string; readonly input_type_shape?: readonly Readonly<Record<string, readonly number[]>>[] };
}

/** One session's runs, without the first of several: it reads the weights from disk. */
interface Profile {
  readonly runs: number;
  readonly nodes: readonly ProfileEvent[];
}

const ROWS = 10;

/** Prints which operators a network spends its time in, for every measurement that runs one network. */
export async function profile(measurements: readonly Measurement[], contender: Contender): Promise<void> {
  for (const { title, job } of measurements.filter(({ job }) => job.task !== "start" && job.task !== "picture")) {
    const folder = mkdtempSync(join(tmpdir(), "darkroom-profile-"));
    try {
      const { failure } = await withLock(() => runJob(contender, { ...job, profile: join(folder, "session") }));
      if (failure) throw new Error(`${title}: ${failure}`);
      console.log(
        describeProfile(
          title,
          readdirSync(folder).map((file) => readEvents(join(folder, file))),
        ),
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  }
}

function readEvents(path: string): ProfileEvent[] {
  return JSON.parse(readFileSync(path, "utf8"));
}

function toProfile(events: readonly ProfileEvent[]): Profile {
  const runs = events.filter(({ cat, name }) => cat === "Session" && name === "model_run").sort((one, other) => one.ts - other.ts);
  const [first, second] = runs;
  const from = first && second ? first.ts + first.dur : 0;
  const nodes = events.filter(({ cat, name, ts }) => cat === "Node" && name.endsWith("_kernel_time") && ts >= from);
  return { runs: Math.max(1, runs.length - 1), nodes };
}

/**
 * The costliest operators in the profiles of a process's sessions. The network is the session that ran most often; the others prepared its
 * weights, once.
 */
export function describeProfile(title: string, sessions: readonly (readonly ProfileEvent[])[]): string {
  const profiles = sessions.map(toProfile).sort((a, b) => b.runs - a.runs || total(b.nodes) - total(a.nodes));
  const [network = { runs: 1, nodes: [] }, ...preparations] = profiles;
  const perRun = (events: readonly ProfileEvent[]) => total(events) / network.runs;
  const rank = (nameOf: (event: ProfileEvent) => string) => {
    const groups = [...groupBy(network.nodes, nameOf)].sort(([, a], [, b]) => total(b) - total(a));
    return groups
      .slice(0, ROWS)
      .map(([name, events]) => [
        name,
        String(Math.round(events.length / network.runs)),
        formatSeconds(perRun(events)),
        `${((100 * total(events)) / total(network.nodes)).toFixed(1)} %`,
      ]);
  };
  const prepared = total(preparations.flatMap(({ nodes }) => nodes));
  return [
    `## ${title}: ${formatSeconds(perRun(network.nodes))} in operators${prepared > 0 ? `, and ${formatSeconds(prepared)} once at load` : ""}`,
    markdownTable([["operator", "nodes", "time", "share"], ...rank(kind)]),
    markdownTable([["operator on inputs", "nodes", "time", "share"], ...rank((event) => `${kind(event)} ${inputShapes(event)}`)]),
    "",
  ].join("\n\n");
}

function groupBy<Item>(items: readonly Item[], keyOf: (item: Item) => string): ReadonlyMap<string, readonly Item[]> {
  const groups = new Map<string, Item[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
}

/** Seconds of all events. */
function total(events: readonly ProfileEvent[]): number {
  return events.reduce((sum, { dur }) => sum + dur, 0) / 1e6;
}

function kind({ args, name }: ProfileEvent): string {
  return args?.op_name ?? name;
}

function inputShapes({ args }: ProfileEvent): string {
  return (args?.input_type_shape ?? []).flatMap((input) => Object.values(input).map((shape) => shape.join("x") || "1")).join(", ");
}
