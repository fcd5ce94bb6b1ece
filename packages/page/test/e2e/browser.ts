import { existsSync } from "node:fs";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, onTestFinished, vi } from "vitest";

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const hasChromium = existsSync(CHROMIUM);

if (!hasChromium && !process.env.CI) console.warn(`no ${CHROMIUM}: tests of the page in a browser are skipped`);

/** A name of this machine that servers do not know as theirs. */
export const FOREIGN_NAME = "rebound.example";

let browser: Browser | undefined;

/** A group of tests in Chromium, with more of its switches. CI never skips them: there, a missing Chromium fails. */
export function describeInBrowser(name: string, body: () => void, { args = [] }: { readonly args?: readonly string[] } = {}): void {
  // A busy machine takes its time for a model, a browser and a page.
  vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });
  describe.skipIf(!hasChromium && !process.env.CI)(name, () => {
    beforeAll(async () => {
      // Root, as in containers, has no sandbox.
      browser = await chromium.launch({
        executablePath: CHROMIUM,
        args: ["--no-sandbox", `--host-resolver-rules=MAP ${FOREIGN_NAME} 127.0.0.1`, ...args],
      });
    });
    afterAll(() => browser?.close());
    body();
  });
}

/** A page in a profile of its own, closed after the test. It fails the test if the page threw an error or broke its policy. */
export async function openPage(options: BrowserContextOptions = {}): Promise<Page> {
  if (!browser) throw new Error("the browser has not started");
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, reducedMotion: "reduce", ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  const problems: string[] = [];
  page.on("pageerror", (error) => problems.push(error.stack ?? error.message));
  page.on("console", (message) => {
    if (/Content Security Policy/i.test(message.text())) problems.push(message.text());
  });
  onTestFinished(async () => {
    await context.close();
    if (problems.length > 0) throw new Error(`the page had errors:\n${problems.join("\n")}`);
  });
  return page;
}
