// Darkroom as modules that a page loads from any static server, without a bundler of its own: darkroom.js, generate.js, their parts, the
// workers and the runtime's .wasm files. The models belong beside them, in the folder models.
import { copyFileSync, mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("../..", import.meta.url));
const WORKERS = ["worker-wasm", "worker-webgpu"];
const WASM = ["ort-wasm-simd-threaded.wasm", "ort-wasm-simd-threaded.asyncify.wasm"];

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
  await build({ ...common, entryPoints: entries, splitting: true, plugins: [modelsBeside] });
  // Each worker is one file: a copy of it becomes each of the runtime's threads.
  await build({ ...common, entryPoints: WORKERS.map((name) => join(root, `dist/platform/web/${name}.js`)) });
  const runtime = dirname(createRequire(import.meta.url).resolve("onnxruntime-web/wasm"));
  for (const name of WASM) copyFileSync(join(runtime, name), join(folder, name));
}

/** In the package the models are three folders above the module that names them; here they are beside it. */
const modelsBeside = {
  name: "models-beside",
  setup({ onLoad }) {
    onLoad({ filter: /platform[\\/]web[\\/]package-files\.js$/ }, async ({ path }) => {
      const { readFile } = await import("node:fs/promises");
      return { contents: (await readFile(path, "utf8")).replaceAll('"../../../models/', '"./models/'), loader: "js" };
    });
  },
};
