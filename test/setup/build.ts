import { execFileSync } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/**
 * Builds dist if it is older than the sources: the runtime's thread and the command-line tests run from there. A build with errors writes
 * nothing, so that the next run fails, too.
 */
export function setup(): void {
  const sources = join(ROOT, "src");
  const newest = Math.max(...readdirSync(sources, { recursive: true }).map((file) => modified(join(sources, String(file)))));
  if (modified(join(ROOT, "dist/platform/node/worker.js")) > newest) return;
  const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
  try {
    execFileSync(process.execPath, [tsc, "-p", "tsconfig.build.json"], { cwd: ROOT, encoding: "utf8" });
  } catch (error) {
    throw new Error(`the build failed:\n${(error as { stdout?: string }).stdout ?? error}`);
  }
}

function modified(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
