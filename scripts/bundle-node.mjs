// Bundles what Node loads: a program starts sooner with one large module than with hundreds of small ones. Bundlers get the modules
// themselves, of which they take what is used.
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, parse } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

const DIST = fileURLToPath(new URL("../dist", import.meta.url));
// Three folders below the package's root, as the module that finds the package's files expects.
const OUT = join(DIST, "bundle/node");

/** The package's entries and the command line, by their names in the bundle. */
const ENTRIES = {
  index: "index.js",
  generate: "generate/index.js",
  "from-pretrained": "hub/open-checkpoint.js",
  random: "tensor/random.js",
  tensor: "tensor/tensor.js",
  cli: "cli/start.js",
  ...Object.fromEntries(
    readdirSync(join(DIST, "schedulers"))
      .filter((name) => name.endsWith(".js") && name !== "registry.js")
      .map((name) => [`schedulers/${parse(name).name}`, `schedulers/${name}`]),
  ),
};

// All entries are parts of one module, so that each class is there once, whichever entry a program takes it from.
const names = Object.keys(ENTRIES);
rmSync(OUT, { recursive: true, force: true });
await build({
  stdin: {
    contents: names.map((name, index) => `export * as entry${index} from ${JSON.stringify(`./${ENTRIES[name]}`)};`).join("\n"),
    resolveDir: DIST,
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
for (const [index, name] of names.entries()) {
  const file = join(OUT, `${name}.js`);
  mkdirSync(dirname(file), { recursive: true });
  const imported = `import { entry${index} as entry } from "${name.includes("/") ? "../all.js" : "./all.js"}";`;
  if (name === "cli") {
    writeFileSync(file, `#!/usr/bin/env node\n${imported}\nawait entry.start();\n`, { mode: 0o755 });
    continue;
  }
  const exported = Object.keys(await import(pathToFileURL(join(DIST, ENTRIES[name])).href));
  writeFileSync(file, `${imported}\nexport const {\n  ${exported.join(",\n  ")},\n} = entry;\n`);
}
