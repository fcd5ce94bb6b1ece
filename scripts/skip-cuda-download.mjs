// npm's "preinstall" of this package, on a user's machine. onnxruntime-node's own install script fetches CUDA's libraries on Linux x64,
// hundreds of MB from a host that is not the npm registry, and fails the whole install if that host cannot be reached. It fetches nothing
// if the files exist, so this script writes empty ones: npm runs every "preinstall" before the first "postinstall".
// `darkroom devices add cuda` fetches the real ones. npm from version 12 on runs neither script by default, and neither is needed.
import { existsSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

try {
  const require = createRequire(import.meta.url);
  const runtime = dirname(require.resolve("onnxruntime-node/package.json"));
  const { requirements, manifests } = require(join(runtime, "script/install-metadata.js"));
  const platform = `${process.platform}/${process.arch}`;
  const files = (requirements[platform] ?? []).flatMap((name) => Object.keys(manifests[`${platform}:${name}`]));
  for (const file of files) {
    const path = join(runtime, "bin/napi-v6", platform, file);
    if (!existsSync(path)) writeFileSync(path, "");
  }
} catch (error) {
  // The package is optional: a page runs onnxruntime-web. No other error is fatal either: the runtime may still install.
  if (error.code !== "MODULE_NOT_FOUND") console.warn(`darkroom: could not keep onnxruntime-node from fetching CUDA: ${error.message}`);
}
