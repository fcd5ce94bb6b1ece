// Darkroom as modules that a page loads from any static server, without a bundler of its own: darkroom.js, generate.js, their parts, the
// workers and the runtime's .wasm files. The models belong beside them, in the folder models.
import { copyFileSync, mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("../..", import.meta.url));
const WORKERS = ["worker-wasm", "worker-webgpu"];
// Workers from another origin load the .mjs files, too.
const RUNTIME = ["ort-wasm-simd-threaded", "ort-wasm-simd-threaded.asyncify"].flatMap((name) => [`${name}.wasm`, `${name}.mjs`]);

/** The modules are the built ones, `dist`. The workers are found beside the module that starts them. */
export async function bundleForBrowsers(folder) {
  mkdirSync(folder, { recursive: true });
  // tsconfig.json would lead to the sources for Node.
  const common = {
    tsconfigRaw: {},
    bundle: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    minify: true,
    outdir: folder,
    logLevel: "warning",
  };
  const entries = { darkroom: join(root, "dist/index.js"), generate: join(root, "dist/generate/index.js") };
  await build({ ...common, entryPoints: entries, splitting: true, plugins: [modelsBeside, workersAnywhere] });
  // Each worker is one file: a copy of it becomes each of the runtime's threads.
  await build({ ...common, entryPoints: WORKERS.map((name) => join(root, `dist/platform/web/${name}.js`)) });
  const runtime = dirname(createRequire(import.meta.url).resolve("onnxruntime-web/wasm"));
  for (const name of RUNTIME) copyFileSync(join(runtime, name), join(folder, name));
}

/** In the package the models are three folders above the module that names them; here they are beside it. */
const modelsBeside = rewriting("models-beside", /platform[\\/]web[\\/]package-files\.js$/, (code) =>
  code.replaceAll('"../../../models/', '"./models/'),
);

/**
 * These modules may come from another origin than the page, which a worker may not. Then the worker is a module of the page's own that
 * imports the file.
 */
const workersAnywhere = rewriting("workers-anywhere", /platform[\\/]web[\\/]engine\.js$/, (code) => {
  const started = code.replaceAll(/new Worker\((new URL\([^)]*\)), \{ type: "module" \}\)/g, "startAnywhere($1)");
  if (started === code) throw new Error("engine.js starts its workers in another way");
  return `${started}
function startAnywhere(url) {
  if (url.origin === location.origin) return new Worker(url, { type: "module" });
  const text = "import " + JSON.stringify(url.href) + ";";
  return new Worker(URL.createObjectURL(new Blob([text], { type: "text/javascript" })), { type: "module" });
}`;
});

/** A plugin that changes the code of one module. */
function rewriting(name, filter, change) {
  return {
    name,
    setup({ onLoad }) {
      onLoad({ filter }, ({ path }) => ({ contents: change(readFileSync(path, "utf8")), loader: "js" }));
    },
  };
}
