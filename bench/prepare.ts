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

/** A Python environment of the benchmark. */
interface Environment {
  /** Its folder in `bench`. */
  readonly folder: string;
  /** The variable that names an interpreter to use instead. */
  readonly variable: string;
  /** Files in `bench` that list what it has. What is listed in the optional one may be missing. */
  readonly required: string;
  readonly optional?: string;
}

const ENVIRONMENTS = {
  peers: { folder: ".venv", variable: "BENCH_PYTHON", required: "requirements.txt", optional: "requirements-optional.txt" },
  optimum: { folder: ".venv-optimum", variable: "BENCH_PYTHON_OPTIMUM", required: "requirements-optimum.txt" },
} as const satisfies Readonly<Record<string, Environment>>;

/** The Python environments of the peers. */
export type EnvironmentName = keyof typeof ENVIRONMENTS;

/**
 * The interpreter of an environment: the one that its variable names, or the benchmark's own, which is made again when its requirements
 * change.
 * @throws Error if it cannot be made.
 */
export function preparePython(name: EnvironmentName = "peers"): string {
  const { variable, required, optional, ...environment }: Environment = ENVIRONMENTS[name];
  const given = process.env[variable];
  if (given !== undefined) return given;
  const inBench = (file: string) => join(ROOT, "bench", file);
  const folder = inBench(environment.folder);
  const python = join(folder, process.platform === "win32" ? "Scripts/python.exe" : "bin/python");
  const files = [required, ...(optional === undefined ? [] : [optional])];
  const wanted = files.map((file) => readFileSync(inBench(file), "utf8").replace(/^#.*\n/gm, "")).join("");
  const stamp = join(folder, "requirements-installed.txt");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return python;
  console.error(`installing Python packages into ${folder}: gigabytes, and minutes`);
  run(process.platform === "win32" ? "python" : "python3", ["-m", "venv", folder]);
  run(python, ["-m", "pip", "install", "--quiet", "-r", inBench(required)]);
  try {
    if (optional !== undefined) run(python, ["-m", "pip", "install", "--quiet", "-r", inBench(optional)]);
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
