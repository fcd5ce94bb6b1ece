import { execFileSync } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const TSC = join(ROOT, "node_modules/typescript/bin/tsc");
const VITE = join(ROOT, "node_modules/vite/bin/vite.js");

/** Where sources are, how they are built, and the file by which the build is known. A package comes after those that it imports. */
const PACKAGES = [
  { folder: ROOT, command: [TSC, "-p", "tsconfig.build.json"], built: "dist/platform/node/worker.js" },
  { folder: ROOT, command: [join(ROOT, "scripts/bundle-node.mjs")], built: "dist/bundle/node/index.js" },
  { folder: join(ROOT, "packages/ai-sdk"), command: [TSC], built: "dist/index.js" },
  { folder: join(ROOT, "packages/server"), command: [TSC], built: "dist/index.js" },
  { folder: join(ROOT, "packages/page"), command: [VITE, "build", "--logLevel", "error"], built: "../server/dist/page/index.html" },
];

/**
 * Builds what is older than its sources: the runtime's thread, the server's page and the tests of the command line run from there. A build
 * with errors writes nothing, so that the next run fails, too.
 */
export function setup(): void {
  for (const { folder, command, built } of PACKAGES) {
    const sources = join(folder, "src");
    const newest = Math.max(...readdirSync(sources, { recursive: true }).map((file) => modified(join(sources, String(file)))));
    if (modified(join(folder, built)) <= newest) build(folder, command);
  }
}

function build(folder: string, command: readonly string[]): void {
  try {
    execFileSync(process.execPath, command, { cwd: folder, encoding: "utf8" });
  } catch (error) {
    throw new Error(`the build of ${folder} failed:\n${(error as { stdout?: string }).stdout ?? error}`);
  }
}

function modified(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
