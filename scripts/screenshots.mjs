// `npm run screenshots` draws the README's pictures of pages anew: docs/page.png and docs/page-phone.png of the server's, docs/demo.png of
// the demo. It needs Chromium.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startServer } from "darkroom-server";
import { chromium } from "playwright-core";
import sharp from "sharp";
import { build, preview } from "vite";

/** Pictures of the gallery, the oldest first. */
const MADE = [
  { prompt: "a cactus in the desert", seed: 5 },
  { prompt: "a happy face", seed: 3 },
  { prompt: "a lion", seed: 5 },
  { prompt: "a strawberry", seed: 5 },
  { prompt: "a house on the grass", seed: 8 },
  { prompt: "a rocket in space", seed: 3 },
  { prompt: "a sailboat on blue", seed: 5 },
  { prompt: "a red fox", seed: 5 },
  { prompt: "a panda on a green background", seed: 8 },
];
/** Steps of the job that is running in the pictures. */
const STEPS = 500;

const folder = await mkdtemp(join(tmpdir(), "darkroom-screenshots-"));
const server = await startServer({ folder, port: 0 });
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });

try {
  const desktop = await open({ viewport: { width: 1280, height: 800 }, colorScheme: "light" });
  const form = desktop.getByRole("form");
  const make = async (settings) => {
    for (const [label, value] of Object.entries(settings)) await form.getByLabel(label, { exact: true }).fill(String(value));
    await form.getByLabel("Prompt", { exact: true }).press("Control+Enter");
  };
  const pictures = desktop.getByRole("region", { name: "Pictures" }).getByRole("img");
  for (const [at, { prompt, seed }] of MADE.entries()) {
    await make({ Prompt: prompt, Seed: seed });
    await pictures.nth(at).waitFor();
  }
  await make({ Prompt: "a sunflower on a blue background", Seed: "", Steps: STEPS });
  await make({ Prompt: "two strawberries", Seed: "", Steps: 20 });
  await desktop.getByText(/Step [12]\d\d of/).waitFor();
  await form.hover();
  await desktop.mouse.wheel(0, -2000);
  await save(desktop, "page.png");

  const phone = await open({ viewport: { width: 390, height: 844 }, colorScheme: "dark", isMobile: true, hasTouch: true });
  await phone.getByRole("form").getByLabel("Prompt", { exact: true }).fill("a panda on a green background");
  await phone.getByRole("img", { name: "Preview" }).waitFor();
  await save(phone, "page-phone.png");
  await demo();
} finally {
  await browser.close();
  await server.close();
  await rm(folder, { recursive: true, force: true });
}

async function open(options, address = server.address) {
  const context = await browser.newContext({ deviceScaleFactor: 1.5, reducedMotion: "reduce", ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(120_000);
  await page.goto(address);
  return page;
}

/** The demo page, with a picture that it made. */
async function demo() {
  const site = { root: "packages/demo", logLevel: "error", build: { outDir: join(folder, "demo") } };
  await build(site);
  const demoServer = await preview({ ...site, preview: { port: 0, host: "127.0.0.1" } });
  try {
    const page = await open({ viewport: { width: 1100, height: 760 }, deviceScaleFactor: 1 }, demoServer.resolvedUrls.local[0]);
    await page.waitForFunction(() => globalThis.crossOriginIsolated);
    await page.fill("[name=seed]", "3");
    await page.click("#make");
    await page.getByText(/^\d+ x \d+, seed 3, /).waitFor();
    await save(page, "demo.png");
  } finally {
    await demoServer.close();
  }
}

async function save(page, name) {
  const { size } = await sharp(await page.screenshot())
    .png({ palette: true, colours: 160, effort: 10 })
    .toFile(join("docs", name));
  console.log(`docs/${name}: ${Math.round(size / 1000)} kB`);
}
