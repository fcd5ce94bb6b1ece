import { generate } from "darkroom/generate";
import sharp from "sharp";
import { afterAll, expect, it } from "vitest";
import { checkpoint } from "../../../../../test/helpers/fixtures.js";
import { createApp } from "../../../src/http/app.js";
import { openEmbeddedJobs } from "../../../src/jobs/embedded/embedded-jobs.js";
import { Catalog } from "../../../src/models/catalog.js";
import { offerOf } from "../../../src/models/offer.js";
import { createTestHandler } from "../../worker/helpers.js";
import { pngFile } from "../test-server.js";

const offer = offerOf({
  models: [{ name: "mini", source: checkpoint("sd1-mini") }],
  controlnets: [{ name: "net", source: checkpoint("controlnet-mini") }],
  runtime: { device: "cpu" },
});
const { handler, results } = createTestHandler({ offer });
const jobs = await openEmbeddedJobs(":memory:");
jobs.work(handler, { slots: 1 });
const app = createApp({ jobs, results, models: new Catalog(offer) });

afterAll(async () => {
  await jobs.close();
  await handler.close();
});

const [width, height] = [32, 32];
const start = await pngFile(width, height);
const init_images = [start.toString("base64")];
const mask = await sharp({ create: { width, height, channels: 3, background: "black" } })
  .composite([
    {
      input: await sharp({ create: { width: 16, height, channels: 3, background: "white" } })
        .png()
        .toBuffer(),
      left: 0,
      top: 0,
    },
  ])
  .png()
  .toBuffer();
const pixelsOf = async (file: Uint8Array) => new Uint8Array(await sharp(file).removeAlpha().raw().toBuffer());
const unit = (more: object = {}) => ({ alwayson_scripts: { ControlNet: { args: [{ model: "net", weight: 0.9, ...more }] } } });
const body = { prompt: "a fox", seed: 7, steps: 4, cfg_scale: 3, denoising_strength: 0.75, sampler_name: "DDIM" };

async function make(kind: string, more: object) {
  const reply = await app.request(`http://localhost/sdapi/v1/${kind}`, { method: "POST", body: JSON.stringify({ ...body, ...more }) });
  expect(reply.status, await reply.clone().text()).toBe(200);
  const { images, info } = (await reply.json()) as { images: string[]; info: string };
  return {
    pictures: await Promise.all(images.map((image) => pixelsOf(Buffer.from(image, "base64")))),
    warnings: (JSON.parse(info) as { warnings: string[] }).warnings,
  };
}

/** What the library makes of the same request. */
async function expected(more: object): Promise<Uint8Array[]> {
  const { pictures } = await generate({
    ...{ model: checkpoint("sd1-mini"), controlnet: checkpoint("controlnet-mini"), device: "cpu" },
    ...{ prompt: "a fox", promptSyntax: "a1111", seed: 7, numInferenceSteps: 4, guidanceScale: 3, scheduler: "ddim" },
    ...{ image: start, controlImage: start, strength: 0.75, controlnetConditioningScale: 0.9 },
    ...more,
  });
  return pictures.map(({ image }) => new Uint8Array(image.data));
}

it("img2img with ControlNet makes the library's pictures", async () => {
  const { pictures, warnings } = await make("img2img", { init_images, batch_size: 2, ...unit({ guidance_end: 0.6 }) });
  expect([pictures, warnings]).toEqual([await expected({ numImagesPerPrompt: 2, controlGuidanceEnd: 0.6 }), []]);
});

it("and with a mask, with its padding", async () => {
  const fields = { init_images, mask: mask.toString("base64"), mask_blur: 0, inpainting_fill: 1, inpaint_full_res_padding: 4 };
  const { pictures, warnings } = await make("img2img", { ...fields, ...unit({ control_mode: 2 }) });
  expect([pictures, warnings]).toEqual([await expected({ maskImage: mask, paddingMaskCrop: 4, width, height, guessMode: true }), []]);
});

it("and with hires fix, where the second pass follows it, too", async () => {
  const fields = { width, height, enable_hr: true, hr_upscaler: "Lanczos", hr_scale: 1.5 };
  const image = start.toString("base64");
  const both = await make("txt2img", { ...fields, ...unit({ image, module: "canny", pixel_perfect: true }) });
  const first = await make("txt2img", { ...fields, ...unit({ image, module: "canny", pixel_perfect: true, hr_option: "Low res only" }) });
  expect(both.warnings).toEqual([]);
  expect(both.pictures[0]?.length).toBe(48 * 48 * 3);
  expect(both.pictures[0]).not.toEqual(first.pictures[0]);
});
