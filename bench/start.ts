import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

// The first picture as a user sees it: a fresh process, the embedded checkpoint, 20 steps. `npm run build && npm run bench:start [-- RUNS]`

const main = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));
const runs = Number(process.argv[2] ?? 5);
const folder = mkdtempSync(join(tmpdir(), "darkroom-bench-"));

/** Wall clock in seconds, and the largest resident memory in MiB (Linux only), of one run. */
async function measure(): Promise<{ seconds: number; peak: number }> {
  const args = ["generate", "a red apple on a blue background", "--steps", "20", "--quiet", "--force", "--out", join(folder, "apple.png")];
  // The child reports its own peak as it exits; nobody else can ask once it is gone.
  const report = "data:text/javascript,process.on('exit',()=>process.stderr.write('peak '+process.resourceUsage().maxRSS))";
  const start = performance.now();
  const child = spawn(process.execPath, ["--import", report, main, ...args], { stdio: ["ignore", "ignore", "pipe"] });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const code = await new Promise((resolve) => child.on("close", resolve));
  if (code !== 0) throw new Error(`darkroom ended with ${code}: ${stderr}`);
  return { seconds: (performance.now() - start) / 1000, peak: Number(/peak (\d+)/.exec(stderr)?.[1]) / 1024 };
}

try {
  const results = [];
  for (let run = 0; run < runs; run++) results.push(await measure());
  const seconds = results.map((result) => result.seconds).sort((a, b) => a - b);
  const show = (value = Number.NaN) => `${value.toFixed(2)} s`;
  console.log(`darkroom generate, embedded checkpoint, 20 steps, ${runs} cold processes`);
  console.log(`wall clock: median ${show(seconds[Math.floor(runs / 2)])}, min ${show(seconds[0])}, max ${show(seconds.at(-1))}`);
  console.log(`peak memory: ${Math.max(...results.map(({ peak }) => peak)).toFixed(0)} MiB`);
} finally {
  rmSync(folder, { recursive: true });
}
