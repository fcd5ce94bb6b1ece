// Measures Darkroom's time and memory by resolution, batch and steps, and the ways to save memory, and writes the tables of
// bench/SCALING.md. npm run bench:scaling -- --help lists the options.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { family, type Scale, VAE_FACTOR } from "./checkpoints/families.js";
import { checkpointOf } from "./checkpoints/make.js";
import { MODES, ours } from "./contenders.js";
import { fitLine, fitPower } from "./fit.js";
import type { Job, Task } from "./job.js";
import { withLock } from "./lock.js";
import { describeMachine, ownVersions, thisMachine } from "./machine.js";
import { jobOn } from "./measurements.js";
import { nameList, scale } from "./options.js";
import type { Mode } from "./ours/mode.js";
import { ROOT } from "./paths.js";
import { compileOurs, endOnSignals } from "./prepare.js";
import type { PeakMemory } from "./process-memory.js";
import { median } from "./results.js";
import { type Outcome, runJob } from "./run-job.js";
import { formatMebibytes, formatSeconds, markdownTable, replaceBetween } from "./tables.js";

/** Time and memory of one process. */
interface Cost {
  readonly seconds: number;
  readonly memory: PeakMemory;
}

const MEMORY = ["peak memory", "of it anonymous"] as const;

const SECTIONS: Readonly<Record<string, () => Promise<string>>> = { resolution, batch, steps, savers };

const program = new Command("npm run bench:scaling --")
  .description(
    "Measures how Darkroom's time and memory grow, on Stable Diffusion 1.5's networks, and writes the tables of bench/SCALING.md.",
  )
  .option("--only <names>", `tables: ${Object.keys(SECTIONS).join(", ")}`, nameList(SECTIONS), Object.keys(SECTIONS))
  .option("--mode <name>", `Darkroom's mode: ${Object.keys(MODES).join(", ")}`, "exact")
  .option("--scale <scale>", "real, or tiny to test the benchmark, without writing", scale, "real")
  .parse();
const options = program.opts<{ only: string[]; mode: string; scale: Scale }>();
if (!Object.hasOwn(MODES, options.mode)) program.error(`error: --mode ${options.mode} is none of ${Object.keys(MODES).join(", ")}`);

const report = join(ROOT, "bench/SCALING.md");
const checkpoint = checkpointOf("sd15", options.scale);
/** Side in pixels of the pictures that the checkpoint is for. */
const native = family("sd15", options.scale).unet.sample_size * VAE_FACTOR;
endOnSignals();
compileOurs();

for (const section of options.only) {
  const table = (await SECTIONS[section]?.()) ?? "";
  console.log(`\n${table}`);
  const { darkroom, "onnxruntime-node": runtime } = ownVersions();
  const source = `${describeMachine(thisMachine())}; ${new Date().toISOString().slice(0, 10)}; darkroom ${darkroom}, onnxruntime-node ${runtime}, mode ${options.mode}.`;
  if (options.scale === "real") writeFileSync(report, replaceBetween(readFileSync(report, "utf8"), section, `${table}\n\n${source}`));
}

/** One picture of five sizes. */
async function resolution(): Promise<string> {
  const sizes = [1 / 2, 3 / 4, 1, 3 / 2, 2].map((factor) => factor * native);
  const costs = await inTurn(sizes, async (size) => [size, await part("unet", size), await part("vae-decode", size)] as const);
  const power = (pick: (row: (typeof costs)[number]) => Cost) => fitPower(costs.map((row) => [row[0], pick(row).seconds])).toFixed(2);
  const memory = (pick: (row: (typeof costs)[number]) => Cost) => {
    const { intercept, slope } = fitLine(costs.map((row) => [row[0] ** 2 / 2 ** 20, pick(row).memory.anonymous]));
    return `${formatMebibytes(slope)} for each 1024x1024 pixels and ${formatMebibytes(intercept)} more`;
  };
  return withNote(
    partsTable(
      "size",
      costs.map(([size, unet, vae]) => [`${size}x${size}`, unet, vae]),
    ),
    `Time grows as the side to the power of ${power(([, unet]) => unet)} (UNet) and ${power(([, , vae]) => vae)} (VAE).`,
    `Anonymous memory: UNet ${memory(([, unet]) => unet)}; VAE ${memory(([, , vae]) => vae)}.`,
  );
}

/** One to eight pictures of half the side. */
async function batch(): Promise<string> {
  const size = native / 2;
  const costs = await inTurn(
    [1, 2, 4, 8],
    async (count) => [count, await part("unet", size, { batch: count }), await part("vae-decode", size, { batch: count })] as const,
  );
  const line = (pick: (row: (typeof costs)[number]) => number) => fitLine(costs.map((row) => [row[0], pick(row)]));
  const time = (pick: (row: (typeof costs)[number]) => number) => {
    const { intercept, slope } = line(pick);
    return `${formatSeconds(slope)} for each picture and ${intercept.toFixed(2)} s more`;
  };
  const memory = (pick: (row: (typeof costs)[number]) => number) => {
    const { intercept, slope } = line(pick);
    return `${formatMebibytes(slope)} for each picture and ${formatMebibytes(intercept)} more`;
  };
  return withNote(
    partsTable(
      `pictures of ${size}x${size}`,
      costs.map(([count, unet, vae]) => [String(count), unet, vae]),
    ),
    `UNet: ${time(([, unet]) => unet.seconds)}; ${memory(([, unet]) => unet.memory.anonymous)}.`,
    `VAE: ${time(([, , vae]) => vae.seconds)}; ${memory(([, , vae]) => vae.memory.anonymous)}.`,
  );
}

/** Whole pictures of half the side, each in a cold process. */
async function steps(): Promise<string> {
  const size = native / 2;
  const costs = await inTurn([1, 5, 10, 20], async (count) => {
    const outcome = await run(jobOn("picture", checkpoint, size, { steps: count }), `picture, steps: ${count}`);
    return [count, { seconds: outcome.lifetime, memory: outcome.memory }] as const;
  });
  const { intercept, slope } = fitLine(costs.map(([count, { seconds }]) => [count, seconds]));
  const table = markdownTable([
    [`steps of a ${size}x${size} picture, cold process`, "time", ...MEMORY],
    ...costs.map(([count, cost]) => [String(count), formatSeconds(cost.seconds), ...memoryCells(cost)]),
  ]);
  return withNote(table, `${formatSeconds(slope)} for each step and ${formatSeconds(intercept)} more.`);
}

/** The ways to save memory, each compared with the same run without it. */
async function savers(): Promise<string> {
  const [half, wide, double] = [native / 2, (3 * native) / 2, 2 * native];
  const cases: readonly (readonly [title: string, task: Task, size: number, batch: number, mode: Mode])[] = [
    [`VAE decode of ${double}x${double}`, "vae-decode", double, 1, {}],
    ["- with `enableVaeTiling()`", "vae-decode", double, 1, { vaeTiling: true }],
    [`VAE decode of four pictures of ${half}x${half}`, "vae-decode", half, 4, {}],
    ["- with `enableVaeSlicing()`", "vae-decode", half, 4, { vaeSlicing: true }],
    [`UNet step at ${wide}x${wide}`, "unet", wide, 1, {}],
    ['- with `enableAttentionSlicing("auto")`', "unet", wide, 1, { attentionSlice: "auto" }],
    ['- with `enableAttentionSlicing("max")`', "unet", wide, 1, { attentionSlice: "max" }],
  ];
  const rows = await inTurn(cases, async ([title, task, size, count, mode]) => {
    const cost = await part(task, size, { batch: count }, mode);
    return [title, formatSeconds(cost.seconds), ...memoryCells(cost)];
  });
  return markdownTable([["", "time", ...MEMORY], ...rows]);
}

/** What one network's work takes. */
async function part(task: Task, size: number, changes: Partial<Job> = {}, mode: Mode = {}): Promise<Cost> {
  const { calls, memory } = await run(
    jobOn(task, checkpoint, size, changes),
    `${task} ${size}x${size} ${JSON.stringify({ ...changes, ...mode })}`,
    mode,
  );
  return { seconds: median(calls), memory };
}

async function run(job: Omit<Job, "options">, title: string, mode: Mode = {}): Promise<Outcome & { readonly memory: PeakMemory }> {
  const { memory, failure, ...outcome } = await runJob(ours(options.mode, { ...mode }), job);
  if (failure !== undefined) throw new Error(`${title}: ${failure}`);
  if (!memory) throw new Error("memory can be measured on Linux only");
  console.error(`${title}: ${formatSeconds(median(outcome.calls) || outcome.lifetime)}, ${formatMebibytes(memory.total)}`);
  return { ...outcome, failure, memory };
}

function memoryCells({ memory }: Cost): string[] {
  return [formatMebibytes(memory.total), formatMebibytes(memory.anonymous)];
}

function partsTable(head: string, rows: readonly (readonly [name: string, unet: Cost, vae: Cost])[]): string {
  return markdownTable([
    [head, "UNet step", ...MEMORY, "VAE decode", ...MEMORY],
    ...rows.map(([name, ...costs]) => [name, ...costs.flatMap((cost) => [formatSeconds(cost.seconds), ...memoryCells(cost)])]),
  ]);
}

function withNote(table: string, ...sentences: readonly string[]): string {
  return `${table}\n\n${sentences.join(" ")}`;
}

/** Does the work for each item, never two at once. */
async function inTurn<Item, Result>(items: readonly Item[], work: (item: Item) => Promise<Result>): Promise<Result[]> {
  const results: Result[] = [];
  for (const item of items) results.push(await withLock(() => work(item)));
  return results;
}
