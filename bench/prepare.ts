import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./paths.js";

/** Makes a signal end this process like `process.exit`, so that the measured process ends, too. */
export function endOnSignals(): void {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(1));
}

/** Compiles the process that Darkroom is measured in. It uses the package as built. */
export function compileOurs(): void {
  if (!existsSync(join(ROOT, "dist/index.js"))) throw new Error("there is no dist; npm run build makes it");
  run(process.execPath, [join(ROOT, "node_modules/typescript/bin/tsc"), "-p", "bench/ours/tsconfig.json"]);
}

/**
 * The Python of the peers: BENCH_PYTHON, or the benchmark's own environment, which is made again when its requirements change.
 * @throws Error if it cannot be made.
 */
export function preparePython(): string {
  const given = process.env.BENCH_PYTHON;
  if (given !== undefined) return given;
  const folder = join(ROOT, "bench/.venv");
  const python = join(folder, process.platform === "win32" ? "Scripts/python.exe" : "bin/python");
  const required = join(ROOT, "bench/requirements.txt");
  const optional = join(ROOT, "bench/requirements-optional.txt");
  const wanted = [required, optional].map((path) => readFileSync(path, "utf8").replace(/^#.*\n/gm, "")).join("");
  const stamp = join(folder, "requirements-installed.txt");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return python;
  console.error(`installing the Python stacks into ${folder}: gigabytes, and minutes`);
  run(process.platform === "win32" ? "python" : "python3", ["-m", "venv", folder]);
  run(python, ["-m", "pip", "install", "--quiet", "-r", required]);
  try {
    run(python, ["-m", "pip", "install", "--quiet", "-r", optional]);
  } catch {
    console.error("not every optional peer could be installed; the others run without it");
  }
  writeFileSync(stamp, wanted);
  return python;
}

function run(command: string, args: readonly string[]): void {
  try {
    // stdout is for results.
    execFileSync(command, args, { cwd: ROOT, stdio: ["ignore", 2, 2] });
  } catch (cause) {
    throw new Error(`${command} ${args.join(" ")} failed: ${(cause as Error).message}`, { cause });
  }
}
