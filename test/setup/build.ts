import { execFileSync } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** Where sources are, and the file by which their build is known. A package comes after those that it imports. */
const PACKAGES = [
  { folder: ROOT, config: "tsconfig.build.json", built: "dist/platform/node/worker.js" },
  { folder: join(ROOT, "packages/server"), config: "tsconfig.json", built: "dist/index.js" },
];

/**
 * Builds what is older than its sources: the runtime's thread and the tests of the command line run from there. A build with errors writes
 * nothing, so that the next run fails, too.
 */
export function setup(): void {
  for (const { folder, config, built } of PACKAGES) {
    const sources = join(folder, "src");
    const newest = Math.max(...readdirSync(sources, { recursive: true }).map((file) => modified(join(sources, String(file)))));
    if (modified(join(folder, built)) <= newest) build(folder, config);
  }
}

function build(folder: string, config: string): void {
  const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
  try {
    execFileSync(process.execPath, [tsc, "-p", config], { cwd: folder, encoding: "utf8" });
  } catch (error) {
    throw new Error(`the build of ${folder} failed:\n${(error as { stdout?: string }).stdout ?? error}`);
  }
}

function modified(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
