import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { markdownTable } from "../tables.js";

/** An event of ONNX Runtime's profile. GPU providers add events of their own kinds, with the times that the GPU took. */
interface ProfileEvent {
  readonly cat: string;
  readonly name: string;
  readonly dur: number;
  readonly args?: { readonly op_name?: string };
}

const ROWS = 25;

/** The costliest operators of each kind of event in the profiles of a folder; times are sums over all runs, in milliseconds. */
export function summarizeProfiles(folder: string): string {
  const events = readdirSync(folder).flatMap((file) => JSON.parse(readFileSync(join(folder, file), "utf8")) as ProfileEvent[]);
  const sums = new Map<string, Map<string, { count: number; time: number }>>();
  for (const { cat, name, dur, args } of events) {
    if (cat === "Session" || (cat === "Node" && !name.endsWith("_kernel_time"))) continue;
    const kind = sums.get(cat) ?? new Map();
    sums.set(cat, kind);
    // A GPU provider's names end with numbers of nodes or programs.
    const label = args?.op_name ?? name.replace(/[_&\d]+$/, "");
    const sum = kind.get(label) ?? { count: 0, time: 0 };
    kind.set(label, { count: sum.count + 1, time: sum.time + dur / 1000 });
  }
  const runs = events.filter(({ cat, name }) => cat === "Session" && name === "model_run").length;
  return [
    `${runs} runs, the first of each session included`,
    ...[...sums].map(([cat, kind]) => {
      const rows = [...kind].sort(([, a], [, b]) => b.time - a.time).slice(0, ROWS);
      return `${cat}\n\n${markdownTable([["operator", "count", "ms"], ...rows.map(([name, { count, time }]) => [name, String(count), time.toFixed(1)])])}`;
    }),
  ].join("\n\n");
}
