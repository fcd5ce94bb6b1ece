import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import type { Locator, Page } from "playwright-core";
import sharp from "sharp";
import { expect, it } from "vitest";
import { describeInBrowser, openPage } from "./browser.js";

const WIDTH = 80;
const HEIGHT = 40;

/** A page with nothing but a component. */
async function mount(page: Page, program: string): Promise<void> {
  const { outputFiles } = await build({
    stdin: { contents: program, resolveDir: fileURLToPath(new URL("../../src", import.meta.url)), loader: "tsx" },
    bundle: true,
    write: false,
    format: "iife",
    jsx: "automatic",
    jsxImportSource: "preact",
  });
  await page.setContent('<!doctype html><html lang="en"><title>Test</title><main id="app"></main></html>');
  for (const name of ["mask-editor", "compare"]) {
    await page.addStyleTag({ path: fileURLToPath(new URL(`../../src/styles/${name}.css`, import.meta.url)) });
  }
  await page.addScriptTag({ content: outputFiles[0]?.text ?? "" });
}

function picture(width: number, height: number, colour: string): Promise<string> {
  return sharp({ create: { width, height, channels: 3, background: colour } })
    .png()
    .toBuffer()
    .then((bytes) => `data:image/png;base64,${bytes.toString("base64")}`);
}

/** A mask editor, and what it last told its parent. */
async function mountEditor(mask?: string) {
  const page = await openPage({ hasTouch: true });
  await mount(
    page,
    `import { render } from "preact";
     import { useState } from "preact/hooks";
     import { MaskEditor } from "./mask-editor.js";
     const blobOf = (url) => new Blob([Uint8Array.from(atob(url.split(",")[1]), (letter) => letter.charCodeAt(0))], { type: "image/png" });
     function Parent({ image, mask }) {
       const [value, setValue] = useState(mask);
       window.mask = value;
       return <><MaskEditor image={image} value={value} onChange={setValue} /><button onClick={() => setValue(undefined)}>Without mask</button></>;
     }
     const image = blobOf(${JSON.stringify(await picture(WIDTH, HEIGHT, "green"))});
     const mask = ${mask === undefined ? "undefined" : `blobOf(${JSON.stringify(mask)})`};
     render(<Parent image={image} mask={mask} />, document.getElementById("app"));`,
  );
  const surface = page.getByRole("application", { name: /mask/i });
  await page.locator("img").evaluate((image: HTMLImageElement) => image.decode());
  return { page, surface, maskOf: () => readMask(page) };
}

/** The bytes of a mask, one a pixel, once the editor says that a part of the picture is painted. */
async function readMask(page: Page) {
  await page.getByText(/of the picture is painted/).waitFor();
  const url = await page.evaluate(
    () =>
      new Promise<string>((resolve) => {
        const reader = new FileReader();
        reader.onload = () => resolve(String(reader.result));
        reader.readAsDataURL((window as unknown as { mask: Blob }).mask);
      }),
  );
  const { data, info } = await sharp(Buffer.from(url.slice(url.indexOf(",") + 1), "base64"))
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  expect([info.width, info.height]).toEqual([WIDTH, HEIGHT]);
  const grey = data.filter((_, i) => i % info.channels === 0);
  expect(new Set(data).size).toBeLessThanOrEqual(2);
  return {
    at: (x: number, y: number) => grey[y * WIDTH + x],
    part: grey.filter((value) => value === 255).length / grey.length,
  };
}

/** Drags over the surface, by parts of its size. */
async function drag(page: Page, surface: Locator, from: readonly [number, number], to: readonly [number, number]): Promise<void> {
  const box = await surface.boundingBox();
  if (!box) throw new Error("the surface is not shown");
  const place = ([x, y]: readonly [number, number]) => [box.x + x * box.width, box.y + y * box.height] as const;
  await page.mouse.move(...place(from));
  await page.mouse.down();
  await page.mouse.move(...place(to), { steps: 5 });
  await page.mouse.up();
}

describeInBrowser("the mask editor", () => {
  it("paints white along the mouse's way, in a mask of the picture's own size", async () => {
    const { page, surface, maskOf } = await mountEditor();
    await drag(page, surface, [0.1, 0.5], [0.5, 0.5]);
    const mask = await maskOf();
    expect([mask.at(10, 20), mask.at(38, 20), mask.at(70, 20), mask.at(20, 2)]).toEqual([255, 255, 0, 0]);
  });

  it("erases, undoes, inverts and clears", async () => {
    const { page, surface, maskOf } = await mountEditor();
    await drag(page, surface, [0.1, 0.5], [0.9, 0.5]);
    await page.getByRole("radio", { name: "Erase" }).check();
    await drag(page, surface, [0.5, 0.1], [0.5, 0.9]);
    await expect.poll(async () => (await maskOf()).at(40, 20)).toBe(0);
    await page.getByRole("button", { name: "Undo" }).click();
    await expect.poll(async () => (await maskOf()).at(40, 20)).toBe(255);
    await page.getByRole("button", { name: "Invert" }).click();
    await expect.poll(async () => (await maskOf()).at(40, 20)).toBe(0);
    expect((await maskOf()).at(40, 2)).toBe(255);
    await page.getByRole("button", { name: "Clear" }).click();
    await page.getByText("Nothing is painted").waitFor();
    expect(await page.evaluate(() => (window as unknown as { mask?: Blob }).mask)).toBeUndefined();
    await page.getByRole("button", { name: "Undo" }).click();
    expect((await maskOf()).at(40, 2)).toBe(255);
  });

  it("paints with a larger brush", async () => {
    const { page, surface, maskOf } = await mountEditor();
    await page.getByRole("slider", { name: "Brush size" }).fill("20");
    await drag(page, surface, [0.5, 0.5], [0.5, 0.5]);
    const mask = await maskOf();
    expect([mask.at(40, 12), mask.at(40, 28), mask.at(40, 8), mask.at(40, 32)]).toEqual([255, 255, 0, 0]);
  });

  it("paints with a finger", async () => {
    const { surface, maskOf } = await mountEditor();
    await surface.tap({ position: { x: 10, y: 10 } });
    expect((await maskOf()).part).toBeGreaterThan(0);
  });

  it("paints from the keyboard", async () => {
    const { page, surface, maskOf } = await mountEditor();
    await surface.focus();
    for (let i = 0; i < 4; i++) await page.keyboard.press("Shift+ArrowLeft");
    await page.keyboard.down("Space");
    for (let i = 0; i < 4; i++) await page.keyboard.press("Shift+ArrowLeft");
    await page.keyboard.up("Space");
    const mask = await maskOf();
    expect([mask.at(15, 20), mask.at(40, 20)]).toEqual([255, 0]);
    await page.keyboard.press("Control+z");
    await page.getByText("Nothing is painted").waitFor();
  });

  it("goes on with a mask that is there, and forgets it when its parent does", async () => {
    const half = await sharp({ create: { width: WIDTH, height: HEIGHT, channels: 3, background: "black" } })
      .composite([{ input: { create: { width: 40, height: HEIGHT, channels: 3, background: "white" } }, left: 0, top: 0 }])
      .png()
      .toBuffer();
    const { page, surface, maskOf } = await mountEditor(`data:image/png;base64,${half.toString("base64")}`);
    await page.getByText("50 % of the picture is painted").waitFor();
    await drag(page, surface, [0.8, 0.5], [0.9, 0.5]);
    await expect.poll(async () => (await maskOf()).at(68, 20)).toBe(255);
    expect((await maskOf()).at(20, 20)).toBe(255);
    await page.getByRole("button", { name: "Without mask" }).click();
    await page.getByText("Nothing is painted").waitFor();
  });
});

describeInBrowser("comparing two pictures", () => {
  it("moves the divider by keyboard and mouse, and lists the settings that differ", async () => {
    const page = await openPage();
    const [red, blue] = [await picture(64, 64, "#ff0000"), await picture(64, 64, "#0000ff")];
    await mount(
      page,
      `import { render } from "preact";
       import { Compare } from "./compare.js";
       const of = (url, settings) => ({ url, width: 64, height: 64, settings });
       render(<Compare left={of("${red}", { Prompt: "a fox", Steps: 20 })} right={of("${blue}", { Prompt: "a fox", Steps: 30 })} />,
         document.getElementById("app"));`,
    );
    const slider = page.getByRole("slider", { name: /divider/i });
    const box = await slider.boundingBox();
    if (!box) throw new Error("the slider is not shown");
    /** The colour at a part of the width. */
    const colour = async (at: number) => {
      const clip = { x: box.x + at * box.width, y: box.y + box.height / 4, width: 1, height: 1 };
      return [
        ...(await sharp(await page.screenshot({ clip }))
          .removeAlpha()
          .raw()
          .toBuffer()),
      ];
    };
    expect([await colour(0.3), await colour(0.7)]).toEqual([
      [255, 0, 0],
      [0, 0, 255],
    ]);
    await slider.focus();
    await page.keyboard.press("End");
    expect(await colour(0.7)).toEqual([255, 0, 0]);
    await page.keyboard.press("Home");
    expect(await colour(0.3)).toEqual([0, 0, 255]);
    await page.mouse.click(box.x + box.width * 0.6, box.y + box.height / 2);
    expect([await colour(0.5), await colour(0.7)]).toEqual([
      [255, 0, 0],
      [0, 0, 255],
    ]);
    expect(await page.getByRole("row").allTextContents()).toEqual(["SettingLeftRight", "Steps2030"]);
  });
});
