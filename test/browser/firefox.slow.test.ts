import { existsSync } from "node:fs";
import puppeteer, { type Browser } from "puppeteer-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DiffusionPipeline } from "../../src/index.js";
import { type Darkroom, startSite } from "./site.js";

declare const darkroom: Darkroom;

const FIREFOX = process.env.FIREFOX ?? "/usr/bin/firefox-esr";
const hasFirefox = existsSync(FIREFOX);
const REQUEST = { prompt: "a red fox", numInferenceSteps: 4, guidanceScale: 4, seed: 7 };

if (!hasFirefox && !process.env.CI) console.warn(`no ${FIREFOX}: tests in Firefox are skipped`);

// CI never skips them: there, a missing Firefox fails.
describe.skipIf(!hasFirefox && !process.env.CI).each([[false], [true]])("the embedded checkpoint in Firefox, isolated: %s", (isolated) => {
  const site = startSite({ isolated });
  let browser: Browser | undefined;
  beforeAll(async () => {
    browser = await puppeteer.launch({ browser: "firefox", executablePath: FIREFOX, headless: true });
  }, 120_000);
  afterAll(() => browser?.close());

  it("makes Node's picture on WASM", { timeout: 180_000 }, async () => {
    const page = await (browser as Browser).newPage();
    await page.goto(site.address);
    await page.waitForFunction(() => "darkroom" in globalThis);
    const made = await page.evaluate(async (request) => {
      const pipe = await darkroom.DiffusionPipeline.fromPretrained("emoji-128");
      const { images } = await pipe.generate(request);
      const { device } = pipe;
      await pipe.dispose();
      return { device, isolated: crossOriginIsolated, data: Array.from(images[0]?.data ?? []) };
    }, REQUEST);
    expect(made).toMatchObject({ device: "wasm", isolated });
    await using pipe = await DiffusionPipeline.fromPretrained("emoji-128", { device: "cpu" });
    const { images } = await pipe.generate(REQUEST);
    const expected = images[0]?.data ?? new Uint8Array();
    expect(made.data.length).toBe(expected.length);
    expect(Math.max(...made.data.map((value, i) => Math.abs(value - (expected[i] ?? 0))))).toBeLessThanOrEqual(1);
  });
});
