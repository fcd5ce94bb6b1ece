import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { describeInBrowser, openPage } from "../../packages/page/test/e2e/browser.js";
import * as node from "../../src/index.js";
import { DiffusionPipeline, type Picture } from "../../src/index.js";
import { makePictures } from "./pictures-of-kinds.js";
import { type Darkroom, enter, startSite } from "./site.js";

declare const darkroom: Darkroom;

const CHECKPOINTS = fileURLToPath(new URL("../checkpoints/", import.meta.url));

/** What is common to pipelines of all kinds, as far as these tests need it. */
interface AnyPipeline {
  readonly device: string;
  generate(request: object): Promise<{ readonly images: readonly Picture[] }>;
  dispose(): Promise<void>;
}

const TEXT = { prompt: "a red fox", negativePrompt: "blurry", numInferenceSteps: 2, height: 64, width: 96, seed: 3 };
const SMALL = { numInferenceSteps: 2, seed: 3 };
/** Requests, by the checkpoint. */
const REQUESTS: Readonly<Record<string, object>> = {
  "sd1-mini": { ...TEXT, numImagesPerPrompt: 2 },
  "sd2-mini": { ...TEXT, guidanceRescale: 0.5 },
  "sdxl-base-mini": { ...TEXT, prompt: "a (red:1.3) fox" },
  "ddpm-mini": { ...SMALL, batchSize: 2 },
  "ddpm-flat": SMALL,
  "consistency-mini": { ...SMALL, numInferenceSteps: 1 },
  "score-sde-mini": SMALL,
};

const onBoth = (device: "wasm" | "webgpu", site: ReturnType<typeof startSite>) => async (name: string) => {
  const page = await openPage();
  await enter(page, site);
  const request = REQUESTS[name] ?? {};
  const made = await page.evaluate(
    async ({ name, device, request }) => {
      const pipe = (await darkroom.DiffusionPipeline.fromPretrained(`/checkpoints/${name}`, { device })) as unknown as AnyPipeline;
      const { images } = await pipe.generate(request);
      await pipe.dispose();
      return { device: pipe.device, isolated: crossOriginIsolated, pictures: images.map(({ data }) => Array.from(data)) };
    },
    { name, device, request },
  );
  const pipe = (await DiffusionPipeline.fromPretrained(join(CHECKPOINTS, name), { device: "cpu" })) as unknown as AnyPipeline;
  const { images } = await pipe.generate(request).finally(() => pipe.dispose());
  expect(made.device).toBe(device);
  expect(made.pictures.map((each) => each.length)).toEqual(images.map(({ data }) => data.length));
  const furthest = made.pictures.map((data, i) => Math.max(...data.map((value, k) => Math.abs(value - (images[i]?.data[k] ?? -1000)))));
  expect(Math.max(...furthest)).toBeLessThanOrEqual(1);
  return made;
};

describeInBrowser("tiny checkpoints on WASM", () => {
  const site = startSite();
  const compare = onBoth("wasm", site);

  it.each(Object.keys(REQUESTS))("%s makes Node's pictures", async (name) => {
    await compare(name);
  });

  it("pictures of all kinds are Node's", async () => {
    const page = await openPage();
    await enter(page, site);
    const given = { checkpoints: "/checkpoints/", fixtures: "/fixtures/", device: "wasm" };
    const inPage: Awaited<ReturnType<typeof makePictures>> = await page.evaluate(`(${makePictures})(darkroom, ${JSON.stringify(given)})`);
    const fixtures = join(CHECKPOINTS, "../fixtures/");
    const inNode = await makePictures(node as Darkroom, { checkpoints: CHECKPOINTS, fixtures, device: "cpu" });
    for (const [name, pictures] of Object.entries(inNode)) {
      const made = inPage[name];
      if (typeof pictures === "string" || typeof made !== "object") expect.soft([name, made]).toEqual([name, "pictures"]);
      else {
        expect
          .soft(
            made.map(({ length }) => length),
            name,
          )
          .toEqual(pictures.map(({ length }) => length));
        const furthest = made.flatMap((data, i) => data.map((value, k) => Math.abs(value - (pictures[i]?.[k] ?? -1000))));
        expect
          .soft(
            furthest.reduce((most, each) => Math.max(most, each), 0),
            name,
          )
          .toBeLessThanOrEqual(1);
      }
    }
  }, 400_000);

  it("paints over a part of a picture from canvases", async () => {
    const page = await openPage();
    await enter(page, site);
    const made = await page.evaluate(async () => {
      const canvas = new OffscreenCanvas(64, 64);
      const context = canvas.getContext("2d") as OffscreenCanvasRenderingContext2D;
      const fill = (colour: string, ...place: [number, number, number, number]) => {
        context.fillStyle = colour;
        context.fillRect(...place);
      };
      fill("black", 0, 0, 64, 64);
      fill("white", 16, 16, 32, 32);
      const mask = context.getImageData(0, 0, 64, 64);
      fill("#804020", 0, 0, 64, 64);
      const image = await createImageBitmap(canvas);
      const path = "/checkpoints/sd1-mini";
      const pipe = await darkroom.StableDiffusionInpaintPipeline.fromPretrained(path, { device: "wasm" });
      const request = { prompt: "a fox", image, maskImage: mask, numInferenceSteps: 2, strength: 1, height: 64, width: 64, seed: 5 };
      const { images } = await pipe.generate(request);
      await pipe.dispose();
      return Array.from(images[0]?.data ?? []);
    });
    const { StableDiffusionInpaintPipeline } = await import("../../src/index.js");
    await using pipe = await StableDiffusionInpaintPipeline.fromPretrained(join(CHECKPOINTS, "sd1-mini"), { device: "cpu" });
    const raw = (colour: (x: number, y: number) => number[]) => ({
      width: 64,
      height: 64,
      channels: 3 as const,
      data: Uint8Array.from({ length: 64 * 64 }, (_, i) => i).reduce(
        (data, _, i) => {
          data.set(colour(i % 64, Math.floor(i / 64)), i * 3);
          return data;
        },
        new Uint8Array(64 * 64 * 3),
      ),
    });
    const inside = (x: number, y: number) => x >= 16 && x < 48 && y >= 16 && y < 48;
    const { images } = await pipe.generate({
      prompt: "a fox",
      image: raw(() => [0x80, 0x40, 0x20]),
      maskImage: raw((x, y) => (inside(x, y) ? [255, 255, 255] : [0, 0, 0])),
      numInferenceSteps: 2,
      strength: 1,
      height: 64,
      width: 64,
      seed: 5,
    });
    expect(Math.max(...made.map((value, i) => Math.abs(value - (images[0]?.data[i] ?? -1000))))).toBeLessThanOrEqual(1);
  });
});

describeInBrowser("tiny checkpoints on WASM with threads", () => {
  const compare = onBoth("wasm", startSite({ isolated: true }));

  it("make Node's pictures in a page that is isolated from other origins", async () => {
    expect(await compare("sd1-mini")).toMatchObject({ isolated: true });
  });
});

describe("on WebGPU", () => {
  const args = [
    "--disable-dev-shm-usage",
    "--enable-unsafe-webgpu",
    "--use-webgpu-adapter=swiftshader",
    "--enable-features=Vulkan",
    "--use-vulkan=swiftshader",
    "--ignore-gpu-blocklist",
  ];
  describeInBrowser(
    "tiny checkpoints on a software driver",
    () => {
      const site = startSite();
      const compare = onBoth("webgpu", site);

      // Stable Diffusion's networks take minutes there.
      it("ddpm-mini makes Node's pictures", async () => {
        await compare("ddpm-mini");
      });

      it("are not computed there by auto, which says why", async () => {
        const page = await openPage();
        await enter(page, site);
        const { device, warnings } = await page.evaluate(async () => {
          const warnings: string[] = [];
          darkroom.setWarningHandler((message) => warnings.push(message));
          const pipe = await darkroom.DiffusionPipeline.fromPretrained("/checkpoints/sd1-mini");
          await pipe.dispose();
          return { device: pipe.device, warnings };
        });
        expect(device).toBe("wasm");
        expect(warnings).toEqual([
          expect.stringMatching(/^networks run on the processor .* WebGPU cannot be used: its driver computes in software$/),
        ]);
      });
    },
    { args },
  );
});
