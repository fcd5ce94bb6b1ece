// `npm run screenshots` draws the README's pictures of the server's page anew: docs/page.png and docs/page-phone.png. It needs Chromium.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startServer } from "darkroom-server";
import { chromium } from "playwright-core";
import sharp from "sharp";

/** Pictures of the gallery, the oldest first. */
const MADE = [
  { prompt: "a cactus", seed: 5 },
  { prompt: "a strawberry", seed: 3 },
  { prompt: "a pig face", seed: 5 },
  { prompt: "a mushroom", seed: 5 },
  { prompt: "a sunflower", seed: 8 },
  { prompt: "an orange", seed: 3 },
  { prompt: "a yellow smiling face", seed: 5 },
  { prompt: "a tomato on a green background", seed: 5 },
  { prompt: "a panda on a blue background", seed: 8 },
];
/** Steps of the job that is running in the pictures. */
const STEPS = 200;

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
  await desktop.getByText(/Step 1[0-7]\d of/).waitFor();
  await form.hover();
  await desktop.mouse.wheel(0, -2000);
  await save(desktop, "page.png");

  const phone = await open({ viewport: { width: 390, height: 844 }, colorScheme: "dark", isMobile: true, hasTouch: true });
  await phone.getByRole("form").getByLabel("Prompt", { exact: true }).fill("a panda on a green background");
  await phone.getByRole("img", { name: "Preview" }).waitFor();
  await save(phone, "page-phone.png");
} finally {
  await browser.close();
  await server.close();
  await rm(folder, { recursive: true, force: true });
}

async function open(options) {
  const context = await browser.newContext({ deviceScaleFactor: 1.5, reducedMotion: "reduce", ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(120_000);
  await page.goto(server.address);
  return page;
}

async function save(page, name) {
  const { size } = await sharp(await page.screenshot())
    .png({ palette: true, colours: 160, effort: 10 })
    .toFile(join("docs", name));
  console.log(`docs/${name}: ${Math.round(size / 1000)} kB`);
}
