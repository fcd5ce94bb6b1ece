// The files of this package: the bundle, and the models beside it.
import { cpSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { bundleForBrowsers } from "./bundle.mjs";

const dist = fileURLToPath(new URL("dist", import.meta.url));
rmSync(dist, { recursive: true, force: true });
await bundleForBrowsers(dist);
cpSync(fileURLToPath(new URL("../../models", import.meta.url)), `${dist}/models`, { recursive: true });
