import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** This package's version. */
export function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { version: string };
  return version;
}

/** The checkpoint that comes with the package: the default of `generate`. */
export const EMBEDDED_MODEL = fileURLToPath(new URL("../../models/emoji-64", import.meta.url));
