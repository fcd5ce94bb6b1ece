// `npm run example -- 03 [arguments]` runs examples/03-*.ts with the arguments.
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL("../examples", import.meta.url));
const names = readdirSync(folder).filter((name) => name.endsWith(".ts"));
const [wanted, ...rest] = process.argv.slice(2);
const name = names.find((candidate) => wanted && candidate.startsWith(wanted));
if (!name) {
  console.error(`which example? npm run example -- NUMBER [arguments], with one of\n${names.map((each) => `  ${each}`).join("\n")}`);
  process.exit(2);
}
mkdirSync("out", { recursive: true });
const tsx = createRequire(import.meta.url).resolve("tsx/cli");
process.exit(spawnSync(process.execPath, [tsx, join(folder, name), ...rest], { stdio: "inherit" }).status ?? 1);
