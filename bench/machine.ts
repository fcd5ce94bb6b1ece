import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism, cpus, release, totalmem, type } from "node:os";
import { join } from "node:path";
import { ROOT } from "./paths.js";
import { thisProcessorKind } from "./processor-kind.js";

/** Where something was measured. */
export interface Machine {
  readonly cpu: string;
  /** See `processorKind`. Old runs do not have it. */
  readonly kind?: string;
  /** The processors that a process may use. Each thread of a core counts. */
  readonly cores: number;
  readonly memoryGiB: number;
  readonly os: string;
}

export function thisMachine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    kind: thisProcessorKind(),
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    os: `${distribution() ?? type()} (${type()} ${release()})`,
  };
}

/** One line of it. */
export function describeMachine({ cpu, cores, memoryGiB, os }: Machine): string {
  return `${cpu}, ${cores} cores, ${memoryGiB} GiB, ${os}`;
}

/** What of ours is measured. */
export function ownVersions(): Record<string, string> {
  const version = (path: string): string => createRequire(import.meta.url)(join(ROOT, path, "package.json")).version;
  return {
    darkroom: [version("."), commit()].join(" ").trim(),
    "onnxruntime-node": version("node_modules/onnxruntime-node"),
    node: process.version,
  };
}

function commit(): string {
  try {
    return execFileSync("git", ["describe", "--always", "--dirty"], {
      cwd: ROOT,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  } catch {
    return "";
  }
}

function distribution(): string | undefined {
  try {
    return /^PRETTY_NAME="?(.*?)"?$/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1];
  } catch {
    return undefined;
  }
}
