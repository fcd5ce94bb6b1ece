// Writes saved runs into the README's table: npm run bench:readme -- RESULT.json...
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./paths.js";
import { readRun } from "./results.js";
import { describeRun, replaceBetween } from "./tables.js";

const paths = process.argv.slice(2);
if (paths.length === 0) {
  console.error("which runs? npm run bench:readme -- bench/results/RESULT.json...");
  process.exit(2);
}
const readme = join(ROOT, "README.md");
const tables = paths.map((path) => describeRun(readRun(path))).join("\n\n");
writeFileSync(readme, replaceBetween(readFileSync(readme, "utf8"), "bench", tables));
