// Writes saved runs into bench/RESULTS.md, with a table of all kinds of processors, and five lines of the first into the README: npm run
// bench:readme -- RESULT.json...
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describeKinds } from "./kinds.js";
import { ROOT } from "./paths.js";
import { readRun } from "./results.js";
import { describeRun, describeRunInShort, replaceBetween } from "./tables.js";

const paths = process.argv.slice(2);
if (paths.length === 0) {
  console.error("which runs? npm run bench:readme -- bench/results/RESULT.json...");
  process.exit(2);
}
const runs = paths.map((path) => readRun(path));
const write = (file: string, content: string, name = "bench") => {
  const path = join(ROOT, file);
  writeFileSync(path, replaceBetween(readFileSync(path, "utf8"), name, content));
};
const saved = readdirSync(join(ROOT, "bench/results")).filter((file) => /^\d{4}-.*-sd15-.*\.json$/.test(file));
write("bench/RESULTS.md", describeKinds(saved.map((file) => readRun(join(ROOT, "bench/results", file)))), "kinds");
write("bench/RESULTS.md", runs.map(describeRun).join("\n\n"));
for (const run of runs.slice(0, 1)) write("README.md", describeRunInShort(run));
