// Bundles what Node loads: a program starts sooner with one large module than with hundreds of small ones. Bundlers get the modules
// themselves, of which they take what is used.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, parse } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
// Three folders below the package's root, as the module that finds the package's files expects.
const OUT = join(ROOT, "dist/bundle/node");

const { exports, bin } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
const COMMAND = bin.darkroom;
/** Modules by their places in the bundle: the command line, and the package's entries, of which package.json has both. */
const ENTRIES = { [COMMAND]: "./dist/cli/start.js" };
for (const [entry, paths] of Object.entries(exports)) {
  if (paths?.["node-addons"] === undefined) continue;
  const { "node-addons": bundled, default: module } = paths;
  for (const name of entry.includes("*") ? modulesOf(entry, dirname(module)) : [""])
    ENTRIES[bundled.replace("*", name)] = module.replace("*", name);
}

/** Names of the modules in a folder, but those that the package does not export. */
function modulesOf(entry, folder) {
  const names = readdirSync(join(ROOT, folder)).filter((file) => file.endsWith(".js"));
  return names.map((file) => parse(file).name).filter((name) => exports[entry.replace("*", name)] !== null);
}

// All entries are parts of one module, so that each class is there once, whichever entry a program takes it from.
const entries = Object.entries(ENTRIES);
rmSync(OUT, { recursive: true, force: true });
await build({
  stdin: {
    contents: entries.map(([, module], index) => `export * as entry${index} from ${JSON.stringify(module)};`).join("\n"),
    resolveDir: ROOT,
  },
  outfile: join(OUT, "all.js"),
  // tsconfig.json would lead to the sources.
  tsconfigRaw: {},
  bundle: true,
  format: "esm",
  platform: "node",
  target: "node20.9",
  packages: "external",
  // Names stay: errors and the classes of checkpoints show them.
  keepNames: true,
  minifyWhitespace: true,
  minifySyntax: true,
  logLevel: "warning",
});
for (const [index, [bundled, module]] of entries.entries()) {
  const file = join(ROOT, bundled);
  mkdirSync(dirname(file), { recursive: true });
  const imported = `import { entry${index} as entry } from "${dirname(file) === OUT ? "." : ".."}/all.js";`;
  if (bundled === COMMAND) {
    writeFileSync(file, `#!/usr/bin/env node\n${imported}\nawait entry.start();\n`, { mode: 0o755 });
    continue;
  }
  const exported = Object.keys(await import(pathToFileURL(join(ROOT, module)).href));
  writeFileSync(file, `${imported}\nexport const {\n  ${exported.join(",\n  ")},\n} = entry;\n`);
}
