import { expect, it } from "vitest";
import { describeInBrowser, openPage } from "../../packages/page/test/e2e/browser.js";
import { EMBEDDED_CHECKPOINT, type LoadProgress, loadImage } from "../../src/index.js";
import { EMBEDDED_CASES, embeddedPicture, requestOf } from "../helpers/embedded.js";
import { type Darkroom, enter, startSite } from "./site.js";

declare const darkroom: Darkroom;

const [CASE] = EMBEDDED_CASES;

describeInBrowser("the embedded checkpoint in a page", () => {
  const site = startSite();

  it.each([EMBEDDED_CHECKPOINT, `/models/${EMBEDDED_CHECKPOINT}`])("makes Python's picture, opened as %s, on WASM", async (source) => {
    if (!CASE) throw new Error("there is no case");
    const page = await openPage();
    await enter(page, site);
    const made = await page.evaluate(
      async ({ source, request }) => {
        const progress: LoadProgress[] = [];
        const pipe = await darkroom.DiffusionPipeline.fromPretrained(source, {
          device: "wasm",
          onLoadProgress: (event) => progress.push(event),
        });
        const { images } = await pipe.generate(request);
        const [image] = images;
        const { device } = pipe;
        await pipe.dispose();
        return { device, size: [image?.width, image?.height], data: Array.from(image?.data ?? []), progress };
      },
      { source, request: requestOf(CASE) },
    );
    expect(made.device).toBe("wasm");
    const unet = made.progress.filter(({ network }) => network === "UNet2DConditionModel");
    expect(unet.length).toBeGreaterThan(2);
    expect(unet[0]).toMatchObject({ loaded: 0 });
    expect(unet.at(-1)).toMatchObject({ loaded: unet[0]?.total });
    const expected = await loadImage(embeddedPicture(CASE.name));
    expect(made.size).toEqual([expected.width, expected.height]);
    expect(Math.max(...made.data.map((value, i) => Math.abs(value - (expected.data[i] ?? 0))))).toBeLessThanOrEqual(1);
  });

  it("is named where a page asks for one with nearly its name", async () => {
    const page = await openPage();
    await enter(page, site);
    const message = await page.evaluate(() =>
      darkroom.DiffusionPipeline.fromPretrained("emoji-64").then(
        () => "",
        (error: Error) => error.message,
      ),
    );
    expect(message).toBe(`emoji-64 does not exist; did you mean ${EMBEDDED_CHECKPOINT}?`);
  });
});
