import { describeMachine } from "./machine.js";
import { median, type Run } from "./results.js";
import { formatSeconds, markdownTable } from "./tables.js";

/** A column: Darkroom's contender, what it is compared with, and the measured time. */
interface Column {
  readonly title: string;
  readonly goal: string;
  readonly contender: string;
  /** The peers that it is compared with. */
  readonly peers: (name: string) => boolean;
  readonly measurement: string;
  /** The row of the measurement's times; the only one by default. */
  readonly row?: string;
}

const isOpenVino = (name: string) => name === "openvino-f32";
const isPeer = (name: string) => !name.startsWith("darkroom-");

const COLUMNS: readonly Column[] = [
  { title: "exact step / OpenVINO f32", goal: "0.75", contender: "darkroom-exact", peers: isOpenVino, measurement: "unet" },
  { title: "fast step / fastest peer", goal: "0.80 (AVX2: 0.55)", contender: "darkroom-fast", peers: isPeer, measurement: "unet" },
  { title: "embedded step / OpenVINO f32", goal: "1.00", contender: "darkroom-exact", peers: isOpenVino, measurement: "small-unet" },
  { title: "text encoder / OpenVINO f32", goal: "1.00", contender: "darkroom-exact", peers: isOpenVino, measurement: "text" },
  {
    title: "first step of a cold process / fastest peer",
    goal: "0.50",
    contender: "darkroom-exact",
    peers: isPeer,
    measurement: "start",
    row: "cold start: first step done",
  },
];

/**
 * A table with a line for each kind of processor that Stable Diffusion 1.5 was measured on beside peers: Darkroom's times as shares of
 * theirs, in the newest run with most contenders.
 */
export function describeKinds(runs: readonly Run[]): string {
  const best = new Map<string, Run>();
  for (const run of runs) {
    const { kind } = run.machine;
    if (kind === undefined || run.checkpoint !== "sd15" || run.scale !== "real" || !run.contenders.some(isPeer)) continue;
    const other = best.get(kind);
    if (!other || isBetter(run, other)) best.set(kind, run);
  }
  const rows = [...best].sort(([one], [other]) => one.localeCompare(other));
  return markdownTable([
    ["kind of processor", "exact step", ...COLUMNS.map(({ title }) => title), "measured on"],
    ["what is wanted, at most", "", ...COLUMNS.map(({ goal }) => goal), ""],
    ...rows.map(([kind, run]) => [
      kind,
      seconds(run, "darkroom-exact", COLUMNS[0] as Column) ?? "",
      ...COLUMNS.map((column) => share(run, column)),
      `${describeMachine(run.machine)}; ${run.date.slice(0, 10)}`,
    ]),
  ]);
}

function isBetter(one: Run, other: Run): boolean {
  return (
    one.contenders.length - other.contenders.length > 0 || (one.contenders.length === other.contenders.length && one.date > other.date)
  );
}

function share(run: Run, column: Column): string {
  const own = timeOf(run, column.contender, column);
  const others = run.contenders.filter(column.peers).flatMap((name) => {
    const time = timeOf(run, name, column);
    return time === undefined ? [] : [{ name, time }];
  });
  const [fastest] = others.sort((one, other) => one.time - other.time);
  if (own === undefined || !fastest) return "";
  const ratio = (own / fastest.time).toFixed(2);
  return column.peers === isPeer ? `${ratio} (${fastest.name})` : ratio;
}

function seconds(run: Run, contender: string, column: Column): string | undefined {
  const time = timeOf(run, contender, column);
  return time === undefined ? undefined : formatSeconds(time);
}

/** The median time of a contender; undefined if there is none. */
function timeOf({ results }: Run, contender: string, { measurement, row }: Column): number | undefined {
  const result = results.find((each) => each.contender === contender && each.measurement === measurement);
  const times = result && (row === undefined ? Object.values(result.seconds)[0] : result.seconds[row]);
  return times === undefined || times.length === 0 ? undefined : median(times);
}
