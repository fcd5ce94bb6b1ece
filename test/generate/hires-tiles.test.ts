import { describe, expect, it } from "vitest";
import { generate } from "../../src/generate/generate.js";
import type { HiresOptions } from "../../src/generate/hires-request.js";
import type { StepEvent } from "../../src/generate/run.js";
import { crop } from "../../src/image/crop.js";
import { Picture } from "../../src/image/picture.js";
import { resize } from "../../src/image/resize.js";
import { reflectedPicture, TileJoiner, tileGrid } from "../../src/image/tile-grid.js";
import {
  ControlNetModel,
  StableDiffusionControlNetImg2ImgPipeline,
  StableDiffusionImg2ImgPipeline,
  StableDiffusionPipeline,
} from "../../src/index.js";
import { opened } from "../cli/pictures.js";
import { checkpoint } from "../helpers/fixtures.js";
import { loraFile } from "../lora/loras.js";

const device = "cpu";
const model = checkpoint("sd1-mini");
const REQUEST = { prompt: "a red fox", numInferenceSteps: 2, seed: 7 } as const;
const TILED = { scale: 1.5, strength: 0.5, tile: 16, overlap: 4 } satisfies HiresOptions;
/** Of 4 steps the strength leaves 2. */
const SECOND = { prompt: "a red fox", numInferenceSteps: 4, strength: 0.5 } as const;

function pattern(width: number, height: number): Picture {
  return new Picture(
    width,
    height,
    Uint8Array.from({ length: width * height * 3 }, (_, i) => Math.round(127 + 120 * Math.sin(i / 17) * Math.cos(i / (3 * width)))),
  );
}

const small = pattern(21, 15);
/** 1.5 times as large: 32 x 23, no multiple of a latent's pixels. */
const large = resize(small, 32, 23, { resampling: "lanczos" });
const png = async (picture: Picture) => new Blob([new Uint8Array(await picture.encode("png"))]);

/** The tiles of `picture`, each changed, joined. */
async function joined(picture: Picture, change: (tile: Picture, index: number, box: [number, number, number, number]) => Promise<Picture>) {
  const { width, height } = picture;
  const { lefts, tops } = tileGrid(width, height, { tileWidth: 16, tileHeight: 16, overlap: 4 });
  const joiner = new TileJoiner(width, height, 4);
  let index = 0;
  for (const top of tops) {
    for (const left of lefts) {
      const box: [number, number, number, number] = [left, top, left + 16, top + 16];
      joiner.add(await change(crop(picture, box), index++, box), left, top, left === lefts.at(-1));
    }
  }
  return joiner.picture;
}

describe("hires in tiles", () => {
  it("repaints a given picture tile by tile, each with the next seed, and joins them", async () => {
    const pipe = await opened(StableDiffusionImg2ImgPipeline.fromPretrained(model, { device }));
    const expected = await joined(large, async (image, i) => {
      const { images } = await pipe.generate({ ...SECOND, image, seed: 7 + i, negativePrompt: "blue" });
      return images[0] as Picture;
    });
    const steps: StepEvent[] = [];
    const request = { ...REQUEST, model, device, negativePrompt: "blue", image: await png(small), hires: TILED } as const;
    const { pictures, settings } = await generate(request, { onStep: (step) => void steps.push(step) });
    expect(pictures[0]?.image).toEqual(expected);
    expect(settings.hires).toEqual({ ...TILED, steps: 2, upscaler: "lanczos" });
    expect(pictures[0]?.text.parameters).toMatch(
      /Size: 21x15.*Init image: data, Hires upscale: 1\.5, Hires steps: 2, Hires upscaler: Lanczos, Hires tile: 16, Hires tile overlap: 4/,
    );
    // Three columns and two rows of tiles, with three turns of PNDM for two steps.
    expect(steps.map(({ done, total }) => [done, total])).toEqual(Array.from({ length: 18 }, (_, i) => [i + 1, 18]));
    expect((await generate(request)).pictures[0]?.image).toEqual(expected);
  });

  it("follows a first pass, for each picture of several, and counts its steps", async () => {
    const pipe = await opened(StableDiffusionPipeline.fromPretrained(model, { device }));
    const img2img = new StableDiffusionImg2ImgPipeline({ ...pipe });
    const { images } = await pipe.generate({ ...REQUEST, seed: 8, width: 24, height: 16 });
    const expected = await joined(resize(images[0] as Picture, 36, 24, { resampling: "lanczos" }), async (image, i) => {
      const made = await img2img.generate({ ...SECOND, image, seed: 8 + i });
      return made.images[0] as Picture;
    });
    const steps: StepEvent[] = [];
    const size = { width: 24, height: 16, numImagesPerPrompt: 2 };
    const made = await generate({ ...REQUEST, model, device, ...size, hires: TILED }, { onStep: (step) => void steps.push(step) });
    expect(made.pictures[1]?.image).toEqual(expected);
    expect(new Set(steps.map(({ total }) => total)).size).toBeLessThanOrEqual(2);
    expect(steps.filter(({ index }) => index === 1).map(({ done }) => done)).toEqual(
      Array.from({ length: (steps.at(-1)?.total as number) ?? 0 }, (_, i) => i + 1),
    );
  });

  it("shows the whole picture in previews", async () => {
    const previews: Picture[] = [];
    const request = { ...REQUEST, model, device, image: await png(small), hires: TILED } as const;
    await generate(request, { onStep: async (step) => void previews.push(await step.preview()) });
    expect(previews.map(({ width, height }) => [width, height])).toEqual(Array(18).fill([32, 23]));
    // What has no tile yet is the enlarged picture.
    expect(crop(previews[0] as Picture, [16, 16, 32, 23])).toEqual(crop(large, [16, 16, 32, 23]));
  });

  it.each([
    ["a picture smaller than a tile", pattern(5, 9)],
    ["a picture that is smaller in one direction", pattern(41, 3)],
  ])("continues %s, and cuts the result", async (_, picture) => {
    const pipe = await opened(StableDiffusionImg2ImgPipeline.fromPretrained(model, { device }));
    const request = { ...REQUEST, model, device, image: await png(picture), hires: { ...TILED, scale: 1, tile: 64 } } as const;
    const { pictures } = await generate(request);
    const [width, height] = [Math.ceil(picture.width / 2) * 2, Math.ceil(picture.height / 2) * 2];
    const { images } = await pipe.generate({ ...SECOND, image: reflectedPicture(picture, width, height), seed: 7 });
    expect(pictures[0]?.image).toEqual(crop(images[0] as Picture, [0, 0, picture.width, picture.height]));
  });

  it("only makes the picture larger at strength 0, to the exact size", async () => {
    const request = { ...REQUEST, model, device, image: await png(small) } as const;
    expect((await generate({ ...request, hires: { ...TILED, strength: 0 } })).pictures[0]?.image).toEqual(large);
  });

  it("cuts the pictures of ControlNets like the large one", async () => {
    const controlnet = await opened(ControlNetModel.fromPretrained(checkpoint("controlnet-mini"), { device }));
    const pipe = await opened(StableDiffusionControlNetImg2ImgPipeline.fromPretrained(model, { device, controlnet }));
    const edges = pattern(40, 30);
    const whole = resize(edges, 32, 23, { resampling: "lanczos" });
    const expected = await joined(large, async (image, i, box) => {
      const { images } = await pipe.generate({ ...SECOND, image, controlImage: crop(whole, box), seed: 7 + i });
      return images[0] as Picture;
    });
    const request = { ...REQUEST, model, device, image: await png(small), hires: TILED } as const;
    const control = { controlnet: checkpoint("controlnet-mini"), controlImage: await png(edges) };
    expect((await generate({ ...request, ...control })).pictures[0]?.image).toEqual(expected);
  });

  it("cuts the masks of IP-Adapters like the large picture", async () => {
    const half = new Picture(
      20,
      10,
      Uint8Array.from({ length: 600 }, (_, i) => (Math.floor(i / 3) % 20 < 10 ? 255 : 0)),
    );
    const source = `${checkpoint("ip-adapter-mini")}/models/ip-adapter_sd15.safetensors`;
    const image = await png(pattern(32, 16));
    const hires = { scale: 1, strength: 0.5, tile: 16, overlap: 0 };
    const request = { ...REQUEST, model, device, image, hires, ipAdapters: [{ source }], ipAdapterImage: image } as const;
    const masked = await generate({ ...request, ipAdapterMasks: [await png(half)] });
    const [everywhere, nowhere] = [await generate(request), await generate({ ...request, ipAdapterScale: 0 })];
    const part = (made: typeof masked, left: number) => crop(made.pictures[0]?.image as Picture, [left, 0, left + 16, 16]);
    expect(part(masked, 0)).toEqual(part(everywhere, 0));
    expect(part(masked, 16)).toEqual(part(nowhere, 16));
    expect(part(everywhere, 16)).not.toEqual(part(nowhere, 16));
  });

  it("works for XL, with a refiner, a LoRA and other schedulers", async () => {
    const image = await png(small);
    const xl = { ...REQUEST, model: checkpoint("sdxl-base-mini"), device, image, hires: TILED } as const;
    const made = await generate({ ...xl, scheduler: "heun" });
    expect(made.pictures[0]?.image).toMatchObject({ width: 32, height: 23 });
    const refined = await generate({ ...xl, refiner: checkpoint("sdxl-refiner-mini"), hires: { ...TILED, strength: 0.6, steps: 4 } });
    expect(refined.pictures[0]?.image).toMatchObject({ width: 32, height: 23 });
    const plain = await generate({ ...REQUEST, model, device, image, hires: TILED });
    const changed = await generate({
      ...REQUEST,
      model,
      device,
      image,
      hires: TILED,
      loras: [{ source: loraFile("sd1_kohya"), weight: 3 }],
    });
    expect(changed.pictures[0]?.image).not.toEqual(plain.pictures[0]?.image);
  });

  it("stops between two steps, also in a later tile", async () => {
    const controller = new AbortController();
    const steps: StepEvent[] = [];
    const onStep = (step: StepEvent) => {
      steps.push(step);
      if (step.done === 5) controller.abort(new Error("enough"));
    };
    const request = { ...REQUEST, model, device, image: await png(small), hires: TILED } as const;
    await expect(generate(request, { onStep, signal: controller.signal })).rejects.toThrow("enough");
    expect(steps).toHaveLength(5);
  });

  it("refuses checkpoints whose networks see the picture", async () => {
    const request = { ...REQUEST, model: checkpoint("x4-upscaler-mini"), device, image: await png(small), hires: TILED } as const;
    await expect(generate(request)).rejects.toMatchObject({ argument: "hires" });
  });
});
