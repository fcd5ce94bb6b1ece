import { describe, expect, it } from "vitest";
import { CheckpointError } from "../../src/errors.js";
import { generate } from "../../src/generate/generate.js";
import { hiresPass, largerSide, stepsForStrength } from "../../src/generate/hires.js";
import type { HiresOptions } from "../../src/generate/hires-request.js";
import { openWorkflow } from "../../src/generate/open-workflow.js";
import type { StepEvent } from "../../src/generate/run.js";
import { crop } from "../../src/image/crop.js";
import type { Picture } from "../../src/image/picture.js";
import { resize } from "../../src/image/resize.js";
import { resizeTensorBilinear } from "../../src/image/resize-tensor.js";
import {
  ControlNetModel,
  LatentConsistencyModelImg2ImgPipeline,
  StableDiffusionControlNetImg2ImgPipeline,
  StableDiffusionControlNetPipeline,
  StableDiffusionImg2ImgPipeline,
  StableDiffusionPipeline,
  StableDiffusionXLImg2ImgPipeline,
  StableDiffusionXLPipeline,
  Tensor,
  Upscaler,
} from "../../src/index.js";
import { crop as cropTensor } from "../../src/models/tiling.js";
import { input, opened } from "../cli/pictures.js";
import { checkpointOf } from "../helpers/checkpoints.js";
import { checkpoint } from "../helpers/fixtures.js";
import { collectWarnings } from "../helpers/warnings.js";
import { loraFile } from "../lora/loras.js";

const device = "cpu";
const upscaler = checkpoint("upscalers/compact-x2.safetensors");
const FIRST = { prompt: "a red fox", numInferenceSteps: 4, seed: 7, width: 32, height: 16 } as const;
const HIRES = { scale: 1.5, steps: 3, strength: 0.6 } satisfies HiresOptions;
const model = checkpoint("sd1-mini");
/** Of 5 steps the strength leaves 3. */
const SECOND = { prompt: "a red fox", numInferenceSteps: 5, seed: 7, strength: 0.6 } as const;

async function png() {
  return new Blob([new Uint8Array(await input.encode("png"))]);
}

describe("the upscaler of hires", () => {
  it.each([
    ["Latent", "latent"],
    ["Latent (nearest)", "latent-nearest"],
    ["latent (bicubic antialiased)", "latent-bicubic-antialiased"],
    ["Latent (nearest-exact)", "latent-nearest-exact"],
    ["Lanczos", "lanczos"],
    ["None", "lanczos"],
    ["latent-bicubic", "latent-bicubic"],
  ])("takes the web UI's name %s", (upscaler, way) => {
    expect(hiresPass({ upscaler }, 4, undefined).upscaler).toBe(way);
  });

  it.each([
    ["latent", 0.2, true],
    ["Latent (nearest)", 0.5, true],
    ["latent", 0.51, false],
    ["latent", 0, false],
    ["lanczos", 0.2, false],
  ])("warns of resized latents that stay blurred: %s at %d", (upscaler, strength, isBlurred) => {
    const warnings = collectWarnings();
    hiresPass({ upscaler, strength }, 4, undefined);
    expect(warnings).toEqual(
      isBlurred ? [expect.stringMatching(`^hires.strength is ${strength}: resized latents need more than 0.5`)] : [],
    );
  });
});

describe("hires", () => {
  it("repaints the first pass's picture, made larger by Lanczos, with the same prompt and seed", async () => {
    const pipe = await opened(StableDiffusionPipeline.fromPretrained(model, { device }));
    const { images } = await pipe.generate(FIRST);
    const img2img = new StableDiffusionImg2ImgPipeline({ ...pipe });
    const image = resize(images[0] as never, 48, 24, { resampling: "lanczos" });
    const expected = await img2img.generate({ ...SECOND, image });
    const { pictures, settings } = await generate({ ...FIRST, model, device, hires: HIRES });
    expect(pictures[0]?.image).toEqual(expected.images[0]);
    expect(settings.hires).toEqual({ ...HIRES, upscaler: "lanczos" });
    expect(pictures[0]?.text.parameters).toMatch(
      /Size: 32x16.*Denoising strength: 0\.6, Hires upscale: 1\.5, Hires steps: 3, Hires upscaler: Lanczos/,
    );
  });

  it("latent makes the latents larger", async () => {
    const pipe = await opened(StableDiffusionPipeline.fromPretrained(model, { device }));
    const { images: latents } = await pipe.generate({ ...FIRST, outputType: "latent" });
    const img2img = new StableDiffusionImg2ImgPipeline({ ...pipe });
    const [, , height = 0, width = 0] = latents.shape;
    const expected = await img2img.generate({ ...SECOND, image: resizeTensorBilinear(latents, height * 1.5, width * 1.5) });
    const { pictures } = await generate({ ...FIRST, model, device, hires: { ...HIRES, upscaler: "latent" } });
    expect(pictures[0]?.image).toEqual(expected.images[0]);
  });

  it("works for XL, from each picture's own seed, and with a LoRA", async () => {
    const xl = checkpoint("sdxl-base-mini");
    const pipe = await opened(StableDiffusionXLPipeline.fromPretrained(xl, { device }));
    const img2img = new StableDiffusionXLImg2ImgPipeline({ ...pipe }, pipe.settings);
    const { images } = await pipe.generate({ ...FIRST, seed: 8 });
    const expected = await img2img.generate({ ...SECOND, seed: 8, image: resize(images[0] as never, 48, 24, { resampling: "lanczos" }) });
    const { pictures } = await generate({ ...FIRST, model: xl, device, hires: HIRES, numImagesPerPrompt: 2 });
    expect(pictures[1]?.image).toEqual(expected.images[0]);
    const plain = await generate({ ...FIRST, model, device, hires: HIRES });
    const changed = await generate({ ...FIRST, model, device, hires: HIRES, loras: [{ source: loraFile("sd1_kohya"), weight: 3 }] });
    expect(changed.pictures[0]?.image).not.toEqual(plain.pictures[0]?.image);
  });

  it("is steered by the ControlNet in both passes", async () => {
    const controlnet = await opened(ControlNetModel.fromPretrained(checkpoint("controlnet-mini"), { device }));
    const pipe = await opened(StableDiffusionControlNetPipeline.fromPretrained(model, { device, controlnet }));
    const { images } = await pipe.generate({ ...FIRST, image: input });
    const img2img = new StableDiffusionControlNetImg2ImgPipeline({ ...pipe });
    const image = resize(images[0] as never, 48, 24, { resampling: "lanczos" });
    const expected = await img2img.generate({ ...SECOND, image, controlImage: input, width: 48, height: 24 });
    const request = { ...FIRST, model, device, controlnet: checkpoint("controlnet-mini"), controlImage: await png() } as const;
    expect((await generate({ ...request, hires: HIRES })).pictures[0]?.image).toEqual(expected.images[0]);
    const latent = await generate({ ...request, hires: { ...HIRES, upscaler: "latent" } });
    expect(latent.pictures[0]?.image).toMatchObject({ width: 48, height: 24 });
  });

  it("takes all of its steps with a latent consistency model", async () => {
    const lcm = checkpointOf("LatentConsistencyModelPipeline", "sd1-mini", { unet: "options/unet-lcm" });
    const request = { ...FIRST, model: lcm, device, scheduler: "lcm" } as const;
    const { pictures } = await generate(request);
    const img2img = await opened(LatentConsistencyModelImg2ImgPipeline.fromPretrained(lcm, { device, scheduler: "lcm" }));
    const image = resize(pictures[0]?.image as never, 64, 32, { resampling: "lanczos" });
    const expected = await img2img.generate({ ...SECOND, numInferenceSteps: 3, image });
    const steps: StepEvent[] = [];
    const made = await generate({ ...request, hires: { steps: 3, strength: 0.6 } }, { onStep: (step) => void steps.push(step) });
    expect(made.pictures[0]?.image).toEqual(expected.images[0]);
    expect(steps.map(({ done, total }) => [done, total])).toEqual(Array.from({ length: 7 }, (_, i) => [i + 1, 7]));
  });

  it("counts the steps of both passes, also with a scheduler of second order", async () => {
    const steps: StepEvent[] = [];
    await generate({ ...FIRST, model, device, hires: HIRES, scheduler: "heun" }, { onStep: (step) => void steps.push(step) });
    expect(steps.map(({ done }) => done)).toEqual(steps.map((_, i) => i + 1));
    expect(steps.at(-1)?.total).toBe(steps.length);
    expect(Math.abs((steps[0]?.total ?? 0) - steps.length)).toBeLessThan(3);
  });

  it("only makes the picture larger at strength 0", async () => {
    const plain = await generate({ ...FIRST, model, device });
    const { pictures } = await generate({ ...FIRST, model, device, hires: { strength: 0 } });
    expect(pictures[0]?.image).toEqual(resize(plain.pictures[0]?.image as never, 64, 32, { resampling: "lanczos" }));
  });

  it("refuses what it cannot do", async () => {
    const failing = (request: object) => expect(generate({ ...FIRST, model, device, hires: HIRES, ...request })).rejects;
    await failing({ hires: { scale: 20 } }).toMatchObject({ argument: "hires.scale" });
    await failing({ model: checkpoint("ddpm-mini"), prompt: undefined, width: undefined, height: undefined }).toThrow(
      /hires has no effect on/,
    );
    const refiner = { model: checkpoint("sdxl-base-mini"), refiner: checkpoint("sdxl-refiner-mini") };
    await failing({ ...refiner, hires: { upscaler: "latent" } }).toThrow(/a run with refiner ends without latents/);
    const given = { image: await png(), width: undefined, height: undefined };
    await failing({ ...given, maskImage: await png() }).toThrow(/hires and maskImage cannot be combined/);
    await failing({ ...given, strength: 0.5 }).toMatchObject({ argument: "strength", hint: "give hires.strength" });
    await failing({ ...given, sigmas: [14, 1, 0], numInferenceSteps: undefined }).toMatchObject({ argument: "sigmas" });
    await failing({ ...given, hires: { upscaler: "latent-nearest" } }).toThrow(/with image there is no first pass/);
    await failing({ hires: { upscaler: "latent", tile: 16 } }).toThrow(/hires.tile cuts pictures, not latents/);
    await failing({ hires: { overlap: 16 } }).toThrow(/hires.overlap needs hires.tile/);
    await failing({ hires: { tile: 16, overlap: 16 } }).toThrow(/the overlap must be smaller/);
    await failing({ hires: { upscaler: "lanczoss" } }).toMatchObject({ argument: "hires", hint: /names are lanczos, nearest, latent,/ });
    await failing({ hires: { upscaler: "none.safetensors" } }).toThrow(CheckpointError);
    await failing({ hiresUpscaler: upscaler, hires: undefined }).toThrow(/hiresUpscaler needs hires/);
    const workflow = await openWorkflow({ model, device });
    await expect(workflow.run({ ...FIRST, hires: { upscaler } }).next()).rejects.toThrow(/was opened without an upscaler's file/);
    await workflow.dispose();
  });
});

describe("hires with an upscaler's file", () => {
  it("enlarges with the network, resizes to the size, and repaints", async () => {
    const pipe = await opened(StableDiffusionPipeline.fromPretrained(model, { device }));
    const { images } = await pipe.generate(FIRST);
    const network = await opened(Upscaler.fromSingleFile(upscaler, { device }));
    const image = resize(await network.upscale(images[0] as never), 48, 24, { resampling: "lanczos" });
    const expected = await new StableDiffusionImg2ImgPipeline({ ...pipe }).generate({ ...SECOND, image });
    const { pictures } = await generate({ ...FIRST, model, device, hires: { ...HIRES, upscaler } });
    expect(pictures[0]?.image).toEqual(expected.images[0]);
    expect(pictures[0]?.text.parameters).toMatch(/Hires upscaler: compact-x2/);
    const given = await generate({ ...FIRST, model, device, hiresUpscaler: upscaler, hires: HIRES });
    expect(given.pictures[0]?.image).toEqual(expected.images[0]);
  });

  it("runs the network again until the picture is large enough", async () => {
    const plain = await generate({ ...FIRST, model, device });
    const network = await opened(Upscaler.fromSingleFile(upscaler, { device }));
    const once = await network.upscale(plain.pictures[0]?.image as never);
    const { pictures } = await generate({ ...FIRST, model, device, hires: { scale: 3, strength: 0, upscaler } });
    expect(pictures[0]?.image).toEqual(resize(await network.upscale(once), 96, 48, { resampling: "lanczos" }));
    const same = await generate({ ...FIRST, model, device, hires: { scale: 1, strength: 0, upscaler } });
    expect(same.pictures[0]?.image).toEqual(resize(once, 32, 16, { resampling: "lanczos" }));
  });
});

describe("the numbers of a second pass", () => {
  it("ask for as many steps that the share of the strength is the steps wanted", () => {
    for (let steps = 1; steps <= 150; steps++) {
      for (let strength = 0.05; strength <= 1; strength += 0.05)
        expect(Math.floor(stepsForStrength(steps, strength) * strength)).toBe(steps);
    }
  });

  it("have sides that are multiples of a latent's pixels", () => {
    expect([largerSide(512, 1.5, 8), largerSide(512, 1.33, 8), largerSide(8, 1, 16)]).toEqual([768, 680, 16]);
  });

  it("resize latents as torch does", () => {
    const squares = Tensor.from([0, 1, 4, 9, 16, 25], [1, 1, 2, 3]);
    expect(
      resizeTensorBilinear(squares, 3, 5)
        .toArray()
        .map((value) => Number(value.toFixed(5))),
    ).toEqual([0, 0.4, 1, 2.8, 4, 4.5, 6.1, 8.5, 12.1, 14.5, 9, 11.8, 16, 21.4, 25]);
  });
});

describe("hires with a size", () => {
  const sized = (hires: HiresOptions) => generate({ ...FIRST, model, device, hires: { steps: 2, strength: 0.6, ...hires } });

  it("fills the size, and cuts off what is over", async () => {
    const plain = await generate({ ...FIRST, model, device });
    const image = plain.pictures[0]?.image as Picture;
    // 32x16 fills 40x40 as 80x40.
    const expected = crop(resize(image, 80, 40, { resampling: "lanczos" }), [20, 0, 60, 40]);
    const made = await sized({ width: 40, height: 40, strength: 0 });
    expect(made.pictures[0]?.image).toEqual(expected);
    expect(made.pictures[0]?.text.parameters).toMatch(/Hires resize: 40x40/);
  });

  it("keeps the proportions with one side", async () => {
    expect((await sized({ width: 48 })).pictures[0]?.image).toMatchObject({ width: 48, height: 24 });
    expect((await sized({ height: 32, tile: 16 })).pictures[0]?.image).toMatchObject({ width: 64, height: 32 });
  });

  it("cuts latents, too", async () => {
    const pipe = await opened(StableDiffusionPipeline.fromPretrained(model, { device }));
    const { images: latents } = await pipe.generate({ ...FIRST, outputType: "latent" });
    const [, , height = 0, width = 0] = latents.shape;
    const factor = 32 / width;
    const large = resizeTensorBilinear(latents, height * 2, width * 2);
    const side = 32 / factor;
    const cut = cropTensor(large, 0, (width * 2 - side) / 2, side, side);
    const img2img = new StableDiffusionImg2ImgPipeline({ ...pipe });
    const expected = await img2img.generate({ ...SECOND, image: cut });
    const made = await sized({ width: 32, height: 32, steps: 3, upscaler: "latent" });
    expect(made.pictures[0]?.image).toEqual(expected.images[0]);
  });

  it("refuses a scale beside it", async () => {
    await expect(sized({ scale: 2, width: 64 })).rejects.toThrow(/hires.scale and hires.width cannot be combined/);
  });
});
