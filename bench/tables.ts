import { FAMILY_TITLES } from "./checkpoints/families.js";
import { describeMachine } from "./machine.js";
import { median, type Result, type Run } from "./results.js";

/** A Markdown table, its columns in line. */
export function markdownTable(rows: readonly (readonly string[])[]): string {
  const [head = [], ...body] = rows;
  const widths = head.map((_, i) => Math.max(3, ...rows.map((row) => row[i]?.length ?? 0)));
  const line = (cells: readonly string[]) => `| ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(" | ")} |`;
  return [line(head), `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`, ...body.map(line)].join("\n");
}

/** A run as tables of medians with their ratios to the first contender's, and the reasons for missing results. */
export function describeRun(run: Run): string {
  const { contenders, results, versions, rounds } = run;
  const titles = [...new Set(results.map(({ title }) => title))];
  const times = titles.flatMap((title) => timesOf(run, title).map((name) => timeRow(run, title, name)));
  const memory = titles.flatMap((title) => [
    memoryRow(run, title, title, ({ total }) => total),
    memoryRow(run, title, "- of it anonymous", ({ anonymous }) => anonymous),
  ]);
  const failures = results.flatMap(({ title, contender, failure }) => (failure ? [`- ${contender}, ${title}: ${failure}`] : []));
  const medians = rounds === 1 ? "one round, in which" : `medians of ${rounds} rounds, in each of which`;
  return [
    `${describeSetting(run)}; ${medians} the contenders take turns, each in its own process.`,
    `In brackets: the ratio to ${contenders[0]}.`,
    markdownTable([["time", ...contenders], ...times]),
    markdownTable([["peak memory", ...contenders], ...memory]),
    [
      "Memory is the peak of the resident memory of the whole process tree. It includes pages of mapped weight files, which the system can drop and",
      "read again. The system cannot drop the anonymous part.",
    ].join(" "),
    ...(failures.length > 0 ? [["Failed:", "", ...failures].join("\n")] : []),
    `Versions: ${Object.entries(versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(", ")}.`,
  ].join("\n\n");
}

/** The five lines of a run for the README: a step, a picture, the start, memory, and the embedded checkpoint's picture. */
export function describeRunInShort(run: Run): string {
  const titles = [...new Set(run.results.map(({ title }) => title))];
  const times = titles.flatMap((title) => timesOf(run, title).map((name) => ({ title, name })));
  const time = (start: string) => times.filter(({ name }) => name.startsWith(start)).map(({ title, name }) => timeRow(run, title, name));
  const memory = titles.filter((title) => title.startsWith("whole picture"));
  const rows = [
    ...time("UNet step"),
    ...time("whole picture"),
    ...memory.map((title) => memoryRow(run, title, "its peak memory", ({ total }) => total)),
    ...time("cold start: ready"),
    ...time("embedded checkpoint: whole picture"),
  ];
  return [
    `${describeSetting(run)}. In brackets: the ratio to ${run.contenders[0]}.`,
    markdownTable([["", ...run.contenders], ...rows]),
  ].join("\n\n");
}

/** Checkpoint, machine and day of a run. */
function describeSetting({ checkpoint, scale, machine, date }: Run): string {
  const weights = `${FAMILY_TITLES[checkpoint]}'s networks${scale === "real" ? "" : ` at ${scale} size`} with random weights`;
  return `${weights}; ${describeMachine(machine)}; ${date.slice(0, 10)}`;
}

/** The measured times with this title. */
function timesOf({ results }: Run, title: string): string[] {
  return [...new Set(results.filter((result) => result.title === title).flatMap(({ seconds }) => Object.keys(seconds)))];
}

function timeRow(run: Run, title: string, name: string): string[] {
  return row(run, title, name, ({ seconds }) => median(seconds[name] ?? []), formatSeconds);
}

function memoryRow(run: Run, title: string, name: string, of: (memory: Result["memory"][number]) => number): string[] {
  return row(run, title, name, ({ memory }) => median(memory.map(of)), formatMebibytes);
}

/** A row with the name `name` and, for each contender, the `value` of its result with the title `title`. */
function row(
  { contenders, results }: Run,
  title: string,
  name: string,
  value: (result: Result) => number,
  format: (value: number) => string,
): string[] {
  const found = contenders.map((contender) => results.find((result) => result.title === title && result.contender === contender));
  const [first] = found;
  const base = first ? value(first) : Number.NaN;
  return [name, ...found.map((result, i) => cell(result, value, format, i === 0 ? Number.NaN : base))];
}

function cell(result: Result | undefined, value: (result: Result) => number, format: (value: number) => string, base: number): string {
  if (!result) return "";
  const found = value(result);
  if (Number.isNaN(found)) return result.failure ? "failed" : "";
  const ratio = found / base;
  return Number.isNaN(ratio) ? format(found) : `${format(found)} (${ratio.toFixed(2)}x)`;
}

export function formatSeconds(seconds: number): string {
  if (seconds < 1) return `${(1000 * seconds).toPrecision(3)} ms`;
  return `${seconds < 100 ? seconds.toPrecision(3) : seconds.toFixed(0)} s`;
}

export function formatMebibytes(mebibytes: number): string {
  return mebibytes < 1000 ? `${mebibytes.toFixed(0)} MiB` : `${(mebibytes / 1024).toFixed(2)} GiB`;
}

/** `text` with a new part between the comments `<!-- NAME:start -->` and `<!-- NAME:end -->`. @throws Error if they are missing. */
export function replaceBetween(text: string, name: string, content: string): string {
  const [start, end] = [`<!-- ${name}:start -->`, `<!-- ${name}:end -->`];
  const [from, to] = [text.indexOf(start), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`there is no ${start} followed by ${end}`);
  return `${text.slice(0, from + start.length)}\n\n${content}\n\n${text.slice(to)}`;
}
