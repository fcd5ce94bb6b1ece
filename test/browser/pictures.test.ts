import { expect, it } from "vitest";
import { describeInBrowser, openPage } from "../../packages/page/test/e2e/browser.js";
import { DiffusionPipeline, EMBEDDED_CHECKPOINT, type LoadProgress } from "../../src/index.js";
import { type Darkroom, enter, startSite } from "./site.js";

declare const darkroom: Darkroom;

const REQUEST = { prompt: "a red fox", numInferenceSteps: 4, guidanceScale: 5, seed: 7 };

describeInBrowser("the embedded checkpoint in a page", () => {
  const site = startSite();

  it("makes Node's picture from a folder's address, on WASM", async () => {
    const page = await openPage();
    await enter(page, site);
    const made = await page.evaluate(
      async ({ request }) => {
        const progress: LoadProgress[] = [];
        const pipe = await darkroom.DiffusionPipeline.fromPretrained("/models/emoji-64", {
          device: "wasm",
          onLoadProgress: (event) => progress.push(event),
        });
        const { images } = await pipe.generate(request);
        const [image] = images;
        const { device } = pipe;
        await pipe.dispose();
        return { device, size: [image?.width, image?.height], data: Array.from(image?.data ?? []), progress };
      },
      { request: REQUEST },
    );
    expect(made.device).toBe("wasm");
    const unet = made.progress.filter(({ network }) => network === "UNet2DConditionModel");
    expect(unet.length).toBeGreaterThan(2);
    expect(unet[0]).toMatchObject({ loaded: 0 });
    expect(unet.at(-1)).toMatchObject({ loaded: unet[0]?.total });
    const expected = await pictureOfNode();
    expect(made.size).toEqual([expected?.width, expected?.height]);
    expect(Math.max(...made.data.map((value, i) => Math.abs(value - (expected?.data[i] ?? 0))))).toBeLessThanOrEqual(1);
  });
});

async function pictureOfNode() {
  await using pipe = await DiffusionPipeline.fromPretrained(EMBEDDED_CHECKPOINT, { device: "cpu" });
  const { images } = await pipe.generate(REQUEST);
  return images[0];
}
