import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { EMBEDDED_CHECKPOINT, embeddedCheckpointPath } from "../hub/embedded.js";

/** This package's version. */
export function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { version: string };
  return version;
}

/** Whether `--model` means the checkpoint that comes with the package, by its name or by its path. */
export function isEmbedded(model: string): boolean {
  return (model === EMBEDDED_CHECKPOINT && !existsSync(model)) || resolve(model) === embeddedCheckpointPath();
}
