// Folders, programs and a clean environment for trying the package as its users have it.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The folder for everything that is made; the caller removes it. */
export const sandbox = mkdtempSync(join(tmpdir(), "darkroom-package-"));

// `npm run` sets variables that tell onnxruntime-node's install script that this is its own repository: a user's terminal has none of them.
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(npm_|INIT_CWD$|NODE$|ONNXRUNTIME_)/i.test(name)));

/** Runs a program to its end, and returns its output. `node` is the folder of another Node. */
export function run(command, args, { cwd, node } = {}) {
  const PATH = node === undefined ? env.PATH : `${node}:${env.PATH}`;
  return execFileSync(command, args, {
    cwd,
    encoding: "utf8",
    env: { ...env, PATH, NEXT_TELEMETRY_DISABLED: "1" },
    stdio: ["ignore", "pipe", "inherit"],
    timeout: 300_000,
  });
}

/** A new folder with an empty package, and `files`. */
export function project(name, files = {}) {
  const folder = join(sandbox, name);
  mkdirSync(folder);
  for (const [file, text] of Object.entries({ "package.json": '{ "private": true }', ...files })) writeFileSync(join(folder, file), text);
  return folder;
}

/** Installs packages into a project, for use here; they need no install script. */
export function install(folder, packages) {
  run("npm", ["install", "--no-audit", "--no-fund", "--prefer-offline", "--ignore-scripts", "--loglevel=error", ...packages], {
    cwd: folder,
  });
}

/** @throws Error unless the file is there and as large as a picture. */
export function expectPicture(folder, name) {
  const size = statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0;
  if (size < 1000) throw new Error(`${join(folder, name)} is not a picture: ${size} bytes`);
}

/** Runs one of the checks, and says how long it took. */
export async function check(title, body) {
  const start = performance.now();
  await body();
  console.log(`${title} (${((performance.now() - start) / 1000).toFixed(1)} s)`);
}

export function expect(condition, message) {
  if (!condition) throw new Error(message);
}
