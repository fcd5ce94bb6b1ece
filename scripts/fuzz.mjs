// Attacks everything that reads files from anywhere for as long as you like: npm run fuzz -- [minutes for each surface] [surface ...]
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const [first, ...others] = process.argv.slice(2);
const minutes = Number(first ?? 1);
if (!(minutes > 0)) {
  console.error("npm run fuzz -- [minutes for each surface] [surface ...]; a surface is a file of test/fuzz without its ending");
  process.exit(2);
}
const vitest = fileURLToPath(new URL("../node_modules/vitest/vitest.mjs", import.meta.url));
const files = others.length > 0 ? others.map((surface) => `test/fuzz/${surface}.test.ts`) : ["test/fuzz"];
// A small heap: valid files need much less, and code that lets a file use more crashes.
const env = { ...process.env, FUZZ_MINUTES: String(minutes), NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ""} --max-old-space-size=512` };
process.exitCode = spawnSync(process.execPath, [vitest, "run", "--mode", "all", ...files], { stdio: "inherit", env }).status ?? 1;
