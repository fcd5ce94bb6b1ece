import { mkdtempSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, type PreviewServer, preview } from "vite";
import { afterAll, beforeAll, expect, it } from "vitest";
import { describeInBrowser, openPage } from "../../packages/page/test/e2e/browser.js";
import { readPngText } from "../../src/image/png.js";

const root = fileURLToPath(new URL("../../packages/demo", import.meta.url));

describeInBrowser("the demo page", () => {
  let server: PreviewServer;
  beforeAll(async () => {
    const outDir = mkdtempSync(join(tmpdir(), "darkroom-demo-"));
    await build({ root, logLevel: "error", build: { outDir } });
    // Without the headers, as on a host where they cannot be set.
    server = await preview({ root, logLevel: "error", build: { outDir }, preview: { port: 0, host: "127.0.0.1", headers: {} } });
  }, 120_000);
  afterAll(() => server?.close());

  it("is isolated by its service worker, makes a picture with its settings, and stops", async () => {
    const page = await openPage();
    await page.goto(server.resolvedUrls?.local[0] ?? "");
    await page.waitForFunction(() => crossOriginIsolated);
    await page.fill("[name=seed]", "3");
    await page.fill("[name=steps]", "4");
    await page.click("#make");
    await expect.poll(() => page.textContent("#status"), { timeout: 100_000 }).toMatch(/^128 x 128, seed 3, /);
    expect(await page.textContent("#device")).toMatch(/^Computed with WebAssembly\.$/);
    const [download] = await Promise.all([page.waitForEvent("download"), page.click("#save")]);
    expect(download.suggestedFilename()).toBe("darkroom-3.png");
    const { parameters } = await readPngText(await readFile(await download.path()));
    expect(parameters).toMatch(/^a panda on a green background\nSteps: 4, .*Seed: 3, /);

    await page.fill("[name=steps]", "150");
    await page.click("#make");
    await expect.poll(() => page.textContent("#status"), { timeout: 60_000 }).toMatch(/^step \d+ of 150$/);
    await page.click("#stop");
    await expect.poll(() => page.textContent("#status")).toBe("stopped");
    await page.check("[value=hub]");
    await page.click("#make");
    await expect.poll(() => page.textContent("#error")).toMatch(/^Give the checkpoint's name/);
    await page.check("[value=file]");
    await page.setInputFiles("[name=file]", { name: "fox.safetensors", mimeType: "", buffer: Buffer.from("no weights") });
    await page.click("#make");
    await expect.poll(() => page.textContent("#error")).toMatch(/^\.\/fox\.safetensors: not a safetensors file/);
  });
});
