import sharp from "sharp";
import { expect, it } from "vitest";
import { describeInBrowser } from "./browser.js";
import { LONG, openDarkroom } from "./darkroom-page.js";
import { serve } from "./servers.js";

const QUICK = { Prompt: "a panda", Steps: 4 };

/** How much two pictures of the same size differ, on average, where `isIn` says. */
async function difference(left: Buffer, right: Buffer, isIn: (x: number, y: number) => boolean): Promise<number> {
  const raw = (bytes: Buffer) => sharp(bytes).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  const [{ data: a, info }, { data: b }] = [await raw(left), await raw(right)];
  let [sum, count] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    const pixel = Math.floor(i / info.channels);
    if (!isIn(pixel % info.width, Math.floor(pixel / info.width))) continue;
    sum += Math.abs((a[i] ?? 0) - (b[i] ?? 0));
    count++;
  }
  return sum / count;
}

describeInBrowser("making pictures", () => {
  it("shows previews, steps and the picture after Ctrl+Enter, and downloads it with its settings", async () => {
    const server = await serve();
    const darkroom = await openDarkroom(server);
    await darkroom.make({ Prompt: "a red fox", Steps: 100, Seed: "7" });
    await darkroom.page.getByRole("img", { name: "Preview" }).waitFor();
    await darkroom.jobs.getByText(/Step \d+ of 100/).waitFor();
    expect(await darkroom.jobs.getByRole("progressbar").count()).toBe(1);
    await darkroom.waitForPictures(1);
    expect(await darkroom.jobs.count()).toBe(0);

    await darkroom.openPicture();
    await darkroom.dialog.getByText("a red fox").first().waitFor();
    const { name, bytes } = await darkroom.download();
    expect(name).toMatch(/\.png$/);
    expect(bytes.equals(await darkroom.pictureBytes())).toBe(true);
    expect(bytes.toString("latin1")).toMatch(/a red fox.*Steps: 100.*Seed: 7/s);
  });

  it("cancels a job that runs and one that waits", async () => {
    const server = await serve();
    const darkroom = await openDarkroom(server);
    await darkroom.make({ Prompt: "a panda", Steps: LONG });
    await darkroom.jobs.getByText(/Step \d+/).waitFor();
    await darkroom.make({ Prompt: "an apple", Steps: LONG });
    const waiting = darkroom.jobs.filter({ hasText: "an apple" });
    await waiting.getByText(/Next in the queue/).waitFor();
    await waiting.getByRole("button", { name: "Cancel" }).click();
    await waiting.getByText("Cancelled").waitFor();
    const running = darkroom.jobs.filter({ hasText: "a panda" });
    await running.getByText(/about \d+ (s|min) left/).waitFor();
    await running.getByRole("button", { name: "Cancel" }).click();
    await running.getByText("Cancelled").waitFor();
    expect((await server.jobs()).map(({ state }) => state)).toEqual(["cancelled", "cancelled"]);
    // The model's process is free again.
    await darkroom.make(QUICK);
    await darkroom.waitForPictures(1);
  });

  it("makes the same picture from the settings of another, and another one by a new seed", async () => {
    const darkroom = await openDarkroom(await serve());
    await darkroom.make({ ...QUICK, "Negative prompt": "blurry", Guidance: 3 });
    await darkroom.waitForPictures(1);
    await darkroom.form.getByRole("button", { name: "Reset the settings" }).click();
    await darkroom.fill({ Prompt: "something else", "Negative prompt": "" });
    await (await darkroom.openPicture()).getByRole("button", { name: "Use these settings" }).click();
    await darkroom.dialog.waitFor({ state: "detached" });
    await expect.poll(() => darkroom.field("Prompt").inputValue()).toBe("a panda");
    await darkroom.field("Prompt").press("Control+Enter");
    await darkroom.waitForPictures(2);
    expect((await darkroom.pictureBytes(0)).equals(await darkroom.pictureBytes(1))).toBe(true);

    await (await darkroom.openPicture()).getByRole("button", { name: /new seed/ }).click();
    await darkroom.waitForPictures(3);
    expect((await darkroom.pictureBytes(0)).equals(await darkroom.pictureBytes(1))).toBe(false);
  });

  it("makes several pictures with seeds that follow each other", async () => {
    const server = await serve();
    const darkroom = await openDarkroom(server);
    await darkroom.make({ ...QUICK, Seed: "41", Count: 2 });
    await darkroom.waitForPictures(2);
    const [job] = await server.jobs();
    expect(job?.result?.pictures.map(({ seed }) => seed)).toEqual(["41", "42"]);
    expect((await darkroom.pictureBytes(0)).equals(await darkroom.pictureBytes(1))).toBe(false);
  });

  it("repaints a picture where the mask is painted", async () => {
    const server = await serve();
    const darkroom = await openDarkroom(server);
    await darkroom.make({ Prompt: "an orange", Steps: 20, Seed: "1" });
    await darkroom.waitForPictures(1);
    const original = await darkroom.pictureBytes();
    await (await darkroom.openPicture()).getByRole("button", { name: "Use as start" }).click();
    const surface = darkroom.form.getByRole("application", { name: /mask/ });
    await surface.scrollIntoViewIfNeeded();
    const box = await surface.boundingBox();
    if (!box) throw new Error("the mask editor is not shown");
    // A band over the left quarter.
    const x = box.x + box.width / 8;
    await darkroom.page.mouse.move(x, box.y);
    await darkroom.page.mouse.down();
    await darkroom.page.mouse.move(x, box.y + box.height, { steps: 8 });
    await darkroom.page.mouse.up();
    await darkroom.form.getByText(/of the picture is painted/).waitFor();
    await darkroom.make({ Prompt: "a sunflower on a blue background", Seed: "3", "Strength, from 0 to 1": 1 } as object);
    await darkroom.waitForPictures(2);
    const repainted = await darkroom.pictureBytes();
    // The rest goes through the autoencoder only.
    const outside = await difference(original, repainted, (x) => x > 48);
    const inside = await difference(original, repainted, (x) => x < 28);
    expect({ outside: outside < 6, inside: inside > 3 * outside, is: [inside, outside] }).toMatchObject({ outside: true, inside: true });
    const [job] = await server.jobs();
    expect(job?.request).toMatchObject({ strength: 1 });
  });

  it("starts from a file, and says so when it is no picture", async () => {
    const darkroom = await openDarkroom(await serve());
    const input = darkroom.form.locator("input[type=file]");
    await input.setInputFiles({ name: "picture.png", mimeType: "image/png", buffer: Buffer.from("no picture") });
    await darkroom.form
      .getByRole("alert")
      .getByText(/not a picture/)
      .waitFor();
    const buffer = await sharp({ create: { width: 64, height: 64, channels: 3, background: "orange" } })
      .jpeg()
      .toBuffer();
    await input.setInputFiles({ name: "picture.jpg", mimeType: "image/jpeg", buffer });
    await darkroom.make(QUICK);
    await darkroom.waitForPictures(1);
  });

  it("starts from a picture that is pasted", async () => {
    const darkroom = await openDarkroom(await serve());
    const buffer = await sharp({ create: { width: 128, height: 64, channels: 3, background: "orange" } })
      .png()
      .toBuffer();
    await darkroom.field("Prompt").evaluate((field, base64) => {
      const clipboardData = new DataTransfer();
      const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
      clipboardData.items.add(new File([bytes], "pasted.png", { type: "image/png" }));
      field.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
    }, buffer.toString("base64"));
    await darkroom.form.getByRole("application", { name: /mask/ }).waitFor();
    await darkroom.make(QUICK);
    await darkroom.waitForPictures(1);
    const { width, height } = await sharp(await darkroom.pictureBytes()).metadata();
    expect([width, height]).toEqual([128, 64]);
  });

  it("compares two pictures", async () => {
    const darkroom = await openDarkroom(await serve());
    await darkroom.make({ ...QUICK, Seed: "1" });
    await darkroom.waitForPictures(1);
    await darkroom.make({ ...QUICK, Seed: "2" });
    await darkroom.waitForPictures(2);
    for (const seed of [1, 2]) await darkroom.page.getByRole("checkbox", { name: `Compare: a panda, seed ${seed}` }).check({ force: true });
    await darkroom.page.getByRole("button", { name: "Compare", exact: true }).click();
    const rows = await darkroom.dialog.getByRole("row").allTextContents();
    expect(rows).toContain("Seed12");
    await darkroom.dialog.getByRole("slider").press("ArrowLeft");
    await darkroom.page.keyboard.press("Escape");
    await darkroom.dialog.waitFor({ state: "detached" });
  });

  it("works by the keyboard alone", async () => {
    const darkroom = await openDarkroom(await serve());
    const { keyboard } = darkroom.page;
    /** Presses Tab until the focus is on something with this name. */
    const tabTo = async (name: RegExp) => {
      for (let i = 0; i < 60; i++) {
        await keyboard.press("Tab");
        const focused = await darkroom.page.evaluate(() => {
          const { activeElement: element } = document;
          const labels = [...((element as HTMLInputElement | null)?.labels ?? [])].map((label) => label.textContent);
          return [element?.getAttribute("aria-label"), ...labels, element?.textContent, element?.querySelector("img")?.alt].join(" ");
        });
        if (name.test(focused)) return;
      }
      throw new Error(`Tab does not reach ${name}`);
    };
    await tabTo(/Prompt/);
    await keyboard.type("a panda");
    await tabTo(/Steps/);
    await keyboard.type("4");
    await keyboard.press("Control+Enter");
    await darkroom.waitForPictures(1);
    await tabTo(/a panda, seed/);
    await keyboard.press("Enter");
    await darkroom.dialog.waitFor();
    await tabTo(/Compare/);
    await keyboard.press("Space");
    await keyboard.press("Escape");
    await darkroom.dialog.waitFor({ state: "detached" });
    // The focus is back on the picture.
    await keyboard.press("Enter");
    await darkroom.dialog.getByText("a panda").first().waitFor();
    expect(await darkroom.dialog.getByRole("button", { name: "Compare" }).getAttribute("aria-pressed")).toBe("true");
  });
});
