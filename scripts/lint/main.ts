// What Biome does not check: which folder may import which, circles of imports, and the width of comments. `--write` wraps comments.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { ALIASES, ARROWS, folderOf } from "./arrows.js";
import { WIDTH, wideComments, wrapComments } from "./comment-width.js";
import { importProblems, unusedArrows } from "./imports.js";

// Also files that are not committed yet.
const listed = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "*.ts", "*.tsx", "*.mjs"], {
  encoding: "utf8",
});
const files = listed.split("\n").filter((file) => file !== "" && existsSync(file) && !/^(models|training)\//.test(file));
const sources = new Map(files.map((file) => [file, readFileSync(file, "utf8")]));

if (process.argv.includes("--write")) {
  for (const [file, source] of sources) {
    const wrapped = wrapComments(source);
    if (wrapped === source) continue;
    writeFileSync(file, wrapped);
    sources.set(file, wrapped);
  }
}

const inSrc = [...sources]
  .filter(([file]) => file.startsWith("src/"))
  .map(([file, source]) => [file.slice("src/".length), source] as const);
const rules = { arrows: ARROWS, aliases: ALIASES, folderOf };
const problems = [...importProblems(new Map(inSrc), rules), ...unusedArrows(new Map(inSrc), rules)];
for (const [file, source] of sources) {
  for (const { line, width } of wideComments(source)) {
    problems.push(`${file}:${line}: a comment of ${width} characters; at most ${WIDTH} (npm run format wraps it)`);
  }
}
for (const problem of problems) console.error(problem);
process.exitCode = problems.length > 0 ? 1 : 0;
