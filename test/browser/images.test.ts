import sharp from "sharp";
import { expect, it } from "vitest";
import { describeInBrowser, openPage } from "../../packages/page/test/e2e/browser.js";
import { loadImage, readPngText } from "../../src/index.js";
import { type Darkroom, enter, startSite } from "./site.js";

declare const darkroom: Darkroom;

const [WIDTH, HEIGHT] = [24, 17];

/** Smooth colours, with every opacity if there are four channels. */
function colours(channels: 1 | 3 | 4) {
  const data = Uint8Array.from({ length: WIDTH * HEIGHT * channels }, (_, i) => {
    const pixel = Math.floor(i / channels);
    return (pixel * ([3, 5, 7, 1][i % channels] ?? 0) + 40 * (i % channels)) % 256;
  });
  return sharp(data, { raw: { width: WIDTH, height: HEIGHT, channels } });
}

const FILES: Readonly<Record<string, () => ReturnType<typeof colours>>> = {
  "a PNG": () => colours(3).png(),
  "a transparent PNG, with the colours under the transparency": () => colours(4).png(),
  "a gray PNG": () => colours(1).toColourspace("b-w").png(),
  "a PNG with a palette": () => colours(3).png({ palette: true, colours: 13 }),
  "a PNG with a palette of two colours": () => colours(1).threshold(120).toColourspace("b-w").png({ palette: true, colours: 2 }),
  "a PNG of 16 bits": () => colours(3).toColourspace("rgb16").png(),
  "an interlaced PNG": () => colours(3).png({ progressive: true }),
  "a JPEG": () => colours(3).jpeg({ quality: 95, chromaSubsampling: "4:4:4" }),
  "a JPEG with an orientation": () => colours(3).withMetadata({ orientation: 6 }).jpeg({ quality: 95, chromaSubsampling: "4:4:4" }),
  "a WebP": () => colours(3).webp({ lossless: true }),
};

describeInBrowser("pictures in a page", () => {
  const site = startSite();

  it("are decoded as in Node, from a Blob", async () => {
    const page = await openPage();
    await enter(page, site);
    for (const [name, make] of Object.entries(FILES)) {
      const bytes = await make().toBuffer();
      const { width, height, data } = await loadImage(bytes);
      const made = await page.evaluate(async (numbers) => {
        const { width, height, data } = await darkroom.loadImage(new Blob([new Uint8Array(numbers)]));
        return { width, height, data: Array.from(data) };
      }, Array.from(bytes));
      expect({ name, width: made.width, height: made.height }).toEqual({ name, width, height });
      const furthest = Math.max(...made.data.map((value, i) => Math.abs(value - (data[i] ?? -1000))));
      // Decoders of JPEG round differently.
      expect({ name, isNear: furthest <= (name.includes("JPEG") ? 3 : 0), furthest }).toMatchObject({ name, isNear: true });
    }
    const problem = await page.evaluate(() =>
      darkroom.loadImage(new Blob(["no picture"])).catch(({ name, message }: Error) => `${name}: ${message}`),
    );
    expect(problem).toMatch(/^ArgumentError: the given blob is not an image that can be read: /);
  });

  it("are taken from what a page has, and given back", async () => {
    const page = await openPage();
    await enter(page, site);
    const results = await page.evaluate(async () => {
      const picture = new darkroom.Picture(
        3,
        2,
        Uint8Array.from({ length: 18 }, (_, i) => i * 14),
      );
      const data = picture.toImageData();
      const canvas = picture.toCanvas();
      const offscreen = picture.toCanvas(new OffscreenCanvas(1, 1));
      const image = new Image();
      image.src = URL.createObjectURL(await picture.toBlob());
      await image.decode();
      const sources = { data, canvas, offscreen, image, bitmap: await createImageBitmap(data), blob: await picture.toBlob() };
      const loaded = Object.entries(sources).map(async ([name, source]) => [name, (await darkroom.loadImage(source)).data.join()]);
      return {
        expected: picture.data.join(),
        isCanvas: canvas instanceof HTMLCanvasElement,
        loaded: Object.fromEntries(await Promise.all(loaded)),
      };
    });
    const { expected, isCanvas, loaded } = results;
    expect(isCanvas).toBe(true);
    expect(loaded).toEqual(Object.fromEntries(["data", "canvas", "offscreen", "image", "bitmap", "blob"].map((name) => [name, expected])));
  });

  it("become animations, as WebP and PNG files", async () => {
    const page = await openPage();
    await enter(page, site);
    const { webp, png, gif } = await page.evaluate(async () => {
      const frame = (red: number) =>
        new darkroom.Picture(
          25,
          10,
          Uint8Array.from({ length: 750 }, (_, i) => (i % 3 === 0 ? red : i % 250)),
        );
      const frames = [frame(0), frame(120), frame(240)];
      const encode = (format: "webp" | "png" | "gif") => darkroom.encodeAnimation(frames, format, { fps: 5, loop: 2 });
      const gif = await encode("gif").catch((error) => `${error.message}; ${error.hint}`);
      return { webp: Array.from(await encode("webp")), png: Array.from(await encode("png")), gif };
    });
    const [animated, frames] = [sharp(Uint8Array.from(webp), { animated: true }), [0, 120, 240]];
    expect(await animated.metadata()).toMatchObject({
      format: "webp",
      width: 25,
      pageHeight: 10,
      pages: 3,
      loop: 2,
      delay: [200, 200, 200],
    });
    const pixels = await animated.removeAlpha().raw().toBuffer();
    // WebP is lossy, mostly in its colours.
    for (const [i, red] of frames.entries()) expect(Math.abs((pixels[i * 750 + 375] ?? 0) - red)).toBeLessThan(30);
    expect(await sharp(Uint8Array.from(png)).metadata()).toMatchObject({ format: "png", width: 25, height: 10 });
    expect(Buffer.from(png).includes("acTL")).toBe(true);
    expect(gif).toBe("a browser writes no animated GIF files; save the animation as WebP or PNG");
  });

  it("keep their settings in PNG, JPEG and WebP files", async () => {
    const text = "a fox\nSteps: 3, Sampler: Euler, CFG scale: 7, Seed: 1, Size: 8x8";
    const page = await openPage();
    await enter(page, site);
    const { png, types, settings } = await page.evaluate(async (parameters) => {
      const picture = new darkroom.Picture(8, 8, new Uint8Array(192).fill(99));
      const blobs = await Promise.all((["png", "jpeg", "webp"] as const).map((format) => picture.toBlob(format, { text: { parameters } })));
      const settings = await Promise.all(
        blobs.map(async (blob) => (await darkroom.readPictureSettings(new Uint8Array(await blob.arrayBuffer()))).parameters),
      );
      return { png: Array.from(new Uint8Array(await (blobs[0] as Blob).arrayBuffer())), types: blobs.map(({ type }) => type), settings };
    }, text);
    expect(types).toEqual(["image/png", "image/jpeg", "image/webp"]);
    expect(await readPngText(Uint8Array.from(png))).toEqual({ parameters: text });
    expect(settings).toEqual([text, text, text]);
  });
});
