import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { gzipSync } from "node:zlib";
import type { AxeResults, RunOptions } from "axe-core";
import type { BrowserContextOptions, Page } from "playwright-core";
import sharp from "sharp";
import { expect, it } from "vitest";
import { describeInBrowser } from "./browser.js";
import { LONG, openDarkroom } from "./darkroom-page.js";
import { serve } from "./servers.js";

const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const PHONE = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 };
const MOST_BYTES = 60_000;

/** What keeps people from using the page as it is now: axe-core's serious findings, and a page that is wider than its screen. */
async function problemsOf(page: Page): Promise<string[]> {
  const found: string[] = [];
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    // The debugger may run a script that the page's policy would not.
    await page.evaluate(AXE);
    // Between light and dark, nothing differs but colours.
    const only = colorScheme === "dark" ? { runOnly: ["color-contrast"] } : {};
    const { violations } = await page.evaluate(
      (options) => (window as unknown as { axe: { run(options: RunOptions): Promise<AxeResults> } }).axe.run(options),
      only as RunOptions,
    );
    const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
    for (const { help, nodes } of serious) found.push(`${colorScheme}: ${help}: ${nodes.map(({ html }) => html).join(" ")}`);
  }
  const [needed, there] = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth] as const);
  return needed > there ? [...found, `the page is ${needed} pixels wide on a screen of ${there}`] : found;
}

/** Makes two pictures and leaves a third job running, with a look at each state of the page. */
async function everyState(options: BrowserContextOptions): Promise<void> {
  const key = "a-key";
  const server = await serve({ apiKeys: [key] });
  const darkroom = await openDarkroom(server, options);
  const { page, dialog, form } = darkroom;
  const expectNoProblems = async (state: string) => expect({ [state]: await problemsOf(page) }).toEqual({ [state]: [] });

  await dialog.waitFor();
  await expectNoProblems("asking for the key");
  await dialog.getByLabel("API key", { exact: true }).fill("wrong");
  await dialog.getByRole("button", { name: "Continue" }).click();
  await dialog.getByRole("alert").waitFor();
  await expectNoProblems("a wrong key");
  await dialog.getByLabel("API key", { exact: true }).fill(key);
  await dialog.getByRole("button", { name: "Continue" }).click();

  await page.getByText("No pictures yet").waitFor();
  await expectNoProblems("no pictures yet");
  await darkroom.unfoldSettings();
  await darkroom.fill({ Prompt: "a panda ".repeat(30), "Negative prompt": "x".repeat(200), Steps: 4, Seed: "5", Count: 2 });
  const buffer = await sharp({ create: { width: 96, height: 64, channels: 3, background: "orange" } })
    .png()
    .toBuffer();
  await form.locator("input[type=file]").setInputFiles({ name: "orange.png", mimeType: "image/png", buffer });
  await form.getByRole("application", { name: /mask/ }).waitFor();
  await expectNoProblems("a filled form with a mask");
  await form.getByRole("button", { name: "Remove" }).click();
  await darkroom.make({});
  await darkroom.waitForPictures(2);
  await expectNoProblems("a gallery");

  await darkroom.make({ Prompt: "an apple", Steps: LONG });
  await darkroom.stepOf("an apple");
  await darkroom.make({ Prompt: "a house" });
  await darkroom.jobs.filter({ hasText: "a house" }).waitFor();
  await expectNoProblems("a job that runs and one that waits");
  await darkroom.jobs.filter({ hasText: "a house" }).getByRole("button", { name: "Cancel" }).click();
  await darkroom.jobs.getByText("Cancelled").waitFor();
  await expectNoProblems("a cancelled job");

  await darkroom.openPicture(0);
  await expectNoProblems("a picture's dialog");
  await dialog.getByRole("button", { name: "Compare" }).click();
  await dialog.getByRole("button", { name: "Older picture" }).click();
  await dialog.getByRole("button", { name: "Compare" }).click();
  await dialog.getByRole("button", { name: "Close" }).click();
  await page.getByRole("button", { name: "Compare", exact: true }).click();
  await dialog.getByRole("slider").waitFor();
  await expectNoProblems("a comparison");
}

describeInBrowser("the page, for everybody,", () => {
  it("has no serious problem of accessibility in any state, light and dark", () => everyState({}));
  it("has none on a phone, either, and is no wider than its screen", () => everyState(PHONE));

  it("is dark for those who like it dark", async () => {
    const server = await serve();
    const brightness = async (colorScheme: "light" | "dark") => {
      const { page } = await openDarkroom(server, { colorScheme });
      const { channels } = await sharp(await page.screenshot()).stats();
      return channels[0]?.mean ?? 0;
    };
    expect(await brightness("light")).toBeGreaterThan(200);
    expect(await brightness("dark")).toBeLessThan(60);
  });

  it("keeps still for those who want it so", async () => {
    const server = await serve();
    await server.submit({ prompt: "a panda", numInferenceSteps: LONG });
    /** Animations that do not end soon, while a job runs that has no previews. */
    const moving = async (reducedMotion: "reduce" | "no-preference") => {
      const { page, jobs } = await openDarkroom(server, { reducedMotion });
      await jobs.getByText(/Step/).waitFor();
      return page.evaluate(
        () => document.getAnimations().filter(({ effect }) => Number(effect?.getComputedTiming().endTime) > 1000).length,
      );
    };
    expect(await moving("no-preference")).toBeGreaterThan(0);
    expect(await moving("reduce")).toBe(0);
  });

  it(`loads less than ${MOST_BYTES / 1000} kB, compressed by gzip`, async () => {
    const server = await serve();
    const loaded: string[] = [];
    const { page } = await openDarkroom(server);
    page.on("request", (request) => loaded.push(request.url()));
    await page.reload({ waitUntil: "networkidle" });
    const files = loaded.filter((url) => url.startsWith(server.address) && !/\/(api|files)\//.test(url));
    expect(files.length).toBeGreaterThanOrEqual(3);
    const sizes = await Promise.all(files.map(async (url) => gzipSync(Buffer.from(await (await fetch(url)).arrayBuffer())).length));
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(MOST_BYTES);
  });
});
