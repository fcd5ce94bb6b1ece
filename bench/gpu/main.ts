// The parts of bench/gpu.sh, one after another, and its report.
import { type ChildProcess, spawn } from "node:child_process";
import { appendFileSync, mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { UNetFamilyName } from "../checkpoints/families.js";
import type { Contender } from "../contenders.js";
import { jobOn } from "../measurements.js";
import { ROOT } from "../paths.js";
import { summarizeProfiles } from "./profile-summary.js";

/** The CPU and tiny networks in place of a GPU: tries the script itself. */
const DRY = process.env.DARKROOM_GPU_DRY === "1";
const OUT = process.env.OUT ?? ROOT;
const PYTHON = process.env.BENCH_PYTHON ?? "python3";
const NODE = [process.execPath, "--import", "tsx"];

const begun = Number(process.argv[2]) * 1000 || Date.now();
const end = begun + 1000 * Number(process.env.GPU_SECONDS ?? 570);
const wanted = process.env.GPU_PARTS?.split(",");

interface Result {
  readonly part: string;
  /** "done", or why it is not. */
  readonly outcome: string;
  readonly seconds: number;
  /** What it measured, for gpu.json. */
  readonly values?: Readonly<Record<string, unknown>>;
  readonly text: string;
}

interface Ran {
  readonly outcome: string;
  readonly output: string;
}

const results: Result[] = [];
const children = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of children) kill(child);
});

/** A child and all that it started. */
function kill({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, "SIGKILL");
  } catch {
    // It has ended.
  }
}

/** Runs a command for at most `limit` seconds. Its output until then is kept. */
function run([command = "", ...args]: readonly string[], limit: number): Promise<Ran> {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: ROOT,
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
      env: { ...process.env, HF_HUB_OFFLINE: "1" },
    });
    children.add(child);
    let output = "";
    let outcome: string | undefined;
    const timer = setTimeout(() => {
      outcome = `stopped after ${limit.toFixed(0)} s`;
      kill(child);
    }, limit * 1000);
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        output += text;
        appendFileSync(join(OUT, "gpu.log"), text);
      });
    }
    const finish = (how: string) => {
      clearTimeout(timer);
      children.delete(child);
      resolve({ outcome: outcome ?? how, output });
    };
    child.on("error", (error) => finish(error.message));
    child.on("close", (code, signal) => finish(code === 0 ? "done" : `ended with ${signal ?? code}`));
  });
}

/** Runs a part, unless its time is over, and writes the report. */
async function part(name: string, limit: number, work: (limit: number) => Promise<Omit<Result, "part" | "seconds">>): Promise<void> {
  if (wanted && !wanted.some((each) => name.startsWith(each))) return;
  const left = (end - Date.now()) / 1000;
  const started = Date.now();
  appendFileSync(join(OUT, "gpu.log"), `\n=== ${name}\n`);
  const result = left < 5 ? { outcome: "no time left", text: "" } : await work(Math.min(limit, left)).catch(failed);
  results.push({ part: name, seconds: (Date.now() - started) / 1000, ...result });
  console.log(`${name}: ${result.outcome}, ${((Date.now() - started) / 1000).toFixed(1)} s`);
  report();
}

function failed(error: unknown): Omit<Result, "part" | "seconds"> {
  return { outcome: error instanceof Error ? error.message : String(error), text: "" };
}

/** A part that is one command; its last lines are the report. */
function command(name: string, limit: number, line: readonly string[], lines = 40): Promise<void> {
  return part(name, limit, async (seconds) => {
    const { outcome, output } = await run(line, seconds);
    return { outcome, text: output.trim().split("\n").slice(-lines).join("\n") };
  });
}

interface Step {
  readonly family: UNetFamilyName;
  readonly options: Readonly<Record<string, unknown>>;
  readonly command: Contender["command"];
  readonly repeats?: number;
  readonly profile?: string;
}

/** Seconds of each call of a guided denoising step. */
async function step({ family, options, command, repeats = 20, profile }: Step, limit: number): Promise<Omit<Result, "part" | "seconds">> {
  await checkpoints[family];
  const size = DRY ? 64 : family === "sd15" ? 512 : 1024;
  const job = {
    ...jobOn("unet", folderOf(family), size, { repeats: DRY ? 2 : repeats, tokens: 77 }),
    options,
    ...(profile && { profile }),
  };
  const { outcome, output } = await run([...command, JSON.stringify(job)], limit);
  const reports = output.split("\n").flatMap((line) => (line.startsWith('{"event"') ? [JSON.parse(line)] : []));
  const calls: number[] = reports.filter(({ event }) => event === "call").map(({ seconds }) => seconds);
  const failure = reports.find(({ event }) => event === "failed")?.reason;
  const sorted = calls.toSorted((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)];
  const marks = reports.filter(({ event }) => event === "mark").map(({ name }) => name);
  const text =
    median === undefined
      ? (failure ?? output.trim().split("\n").slice(-5).join("\n"))
      : `median ${(1000 * median).toFixed(2)} ms, least ${(1000 * (sorted[0] ?? 0)).toFixed(2)} ms of ${calls.length} calls${marks.length > 1 ? `; ${marks.slice(1).join(", ")}` : ""}`;
  return { outcome: failure ?? outcome, text, values: { calls, median } };
}

function report(): void {
  const speeds = results.filter(({ values }) => values?.median !== undefined);
  writeFileSync(join(OUT, "gpu.json"), JSON.stringify({ date: new Date().toISOString(), dry: DRY, results }, null, 1));
  const table = results.map(({ part, outcome, seconds }) => `| ${part} | ${outcome} | ${seconds.toFixed(1)} |`);
  writeFileSync(
    join(OUT, "gpu.md"),
    [
      `# ${DRY ? "A dry run on the CPU with tiny networks" : "On a GPU"}, ${new Date().toISOString()}`,
      ["| part | outcome | seconds |", "|---|---|---|", ...table].join("\n"),
      ["A guided denoising step:", "", ...speeds.map(({ part, text }) => `- ${part}: ${text}`)].join("\n"),
      ...results.map(({ part, text }) => `## ${part}\n\n${text.includes("|") ? text : `\`\`\`\n${text}\n\`\`\``}`),
    ].join("\n\n"),
  );
}

const CHILD = [...NODE, "bench/gpu/child.ts"];
const OURS = [process.execPath, join(ROOT, "bench/.build/ours/main.js")] as const;
const CUDA = DRY ? "cpu" : "cuda";
const WEBGPU = DRY ? "cpu" : "webgpu";
const SCALE = DRY ? "tiny" : "real";
const MODELS = DRY ? "models/unet_sd1*" : "models";
const folderOf = (family: UNetFamilyName) => join(tmpdir(), `darkroom-gpu-${family}-${SCALE}`);

mkdirSync(OUT, { recursive: true });
writeFileSync(join(OUT, "gpu.log"), "");

// Weights are written while the first parts run.
const makes = (family: UNetFamilyName) => run([...CHILD, "checkpoint", family, SCALE, folderOf(family)], 240);
const checkpoints = { sd15: makes("sd15"), sdxl: makes("sdxl") };

await part("machine", 30, async () => {
  const lines = [
    ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"],
    [process.execPath, "--version"],
    [PYTHON, "-c", "import torch; print('torch', torch.__version__, torch.version.cuda, torch.cuda.is_available())"],
    ["sh", "-c", "ldconfig -p | grep -E 'libvulkan|libcuda\\.' ; echo $VK_DRIVER_FILES; nproc; grep -m1 'model name' /proc/cpuinfo"],
  ];
  const ran = [];
  for (const line of lines) ran.push(await run(line, 20));
  return { outcome: "done", text: ran.map(({ output, outcome }) => output.trim() || outcome).join("\n") };
});
await command("devices", 60, [process.execPath, "dist/bundle/node/cli.js", "devices"]);
await command("capabilities on CUDA", 60, [...CHILD, "capabilities", CUDA]);
await command("capabilities on WebGPU", 60, [...CHILD, "capabilities", WEBGPU]);
await command("networks on CUDA, exact", 60, [...CHILD, "networks", CUDA, "exact", MODELS], 100);
await command("networks on CUDA, fast", 60, [...CHILD, "networks", CUDA, "fast", MODELS], 100);

const fast = (device: string) => ({ device, precision: "fast", variant: "fp16" });
const torch = {
  command: [PYTHON, join(ROOT, "bench/gpu/torch_peer.py")] as const,
  options: { device: DRY ? "cpu" : "cuda", dtype: DRY ? "float32" : "float16" },
};
for (const family of ["sd15", "sdxl"] as const) {
  const repeats = family === "sd15" ? 30 : 15;
  await part(`${family} on CUDA, fast`, 75, (limit) => step({ family, command: OURS, options: fast(CUDA), repeats }, limit));
  await part(`${family} in PyTorch`, 60, (limit) => step({ family, ...torch, repeats }, limit));
  await part(`${family} on WebGPU, fast`, 60, (limit) => step({ family, command: OURS, options: fast(WEBGPU), repeats }, limit));
}
await part("sd15 on CUDA, exact", 40, (limit) =>
  step({ family: "sd15", command: OURS, options: { ...fast(CUDA), precision: "exact" }, repeats: 10 }, limit),
);
for (const [name, device] of [
  ["WebGPU", WEBGPU],
  ["CUDA", CUDA],
] as const) {
  await part(`profile of sd15 on ${name}, fast`, 60, async (limit) => {
    const folder = mkdtempSync(join(tmpdir(), "darkroom-gpu-profile-"));
    const result = await step(
      { family: "sd15", command: OURS, options: fast(device), repeats: 5, profile: join(folder, "session") },
      limit,
    );
    return { outcome: result.outcome, text: summarizeProfiles(folder) };
  });
}
await command("pictures on CUDA, exact", 45, [...NODE, "test/parity/main.ts", "--device", CUDA, "--only", "pipelines/sd1*"], 60);
await command("networks on WebGPU, exact", 60, [...CHILD, "networks", WEBGPU, "exact", MODELS], 100);
await command("pictures on WebGPU, exact", 45, [...NODE, "test/parity/main.ts", "--device", WEBGPU, "--only", "pipelines/sd1*"], 60);
console.log(`${((Date.now() - begun) / 1000).toFixed(0)} s in all; ${join(OUT, "gpu.md")}`);
