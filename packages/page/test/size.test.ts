import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "vite";
import { expect, it, onTestFinished } from "vitest";

const MOST_BYTES = 60_000;

it("is smaller than 60 kB with gzip: page, scripts, styles and icons together", async () => {
  const outDir = mkdtempSync(join(tmpdir(), "darkroom-page-"));
  onTestFinished(() => rmSync(outDir, { recursive: true, force: true }));
  await build({ root: fileURLToPath(new URL("..", import.meta.url)), build: { outDir }, logLevel: "error" });
  const files = readdirSync(outDir, { recursive: true, withFileTypes: true }).filter((file) => file.isFile() && !file.name.endsWith(".md"));
  const sizes = files.map((file) => gzipSync(readFileSync(join(file.parentPath, file.name))).length);
  expect(files.map((file) => file.name.replace(/.*\./, "")).sort()).toEqual(expect.arrayContaining(["css", "html", "js", "svg"]));
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(MOST_BYTES);
});
