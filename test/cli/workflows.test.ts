import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import type { Picture } from "../../src/image/picture.js";
import { readPngText } from "../../src/image/png.js";
import { resize } from "../../src/image/resize.js";
import { AutoencoderKL } from "../../src/models/autoencoder-kl.js";
import { AutoencoderTiny } from "../../src/models/autoencoder-tiny.js";
import { DDIMPipeline } from "../../src/pipelines/ddim.js";
import { DDPMPipeline } from "../../src/pipelines/ddpm.js";
import { StableDiffusionPipeline } from "../../src/pipelines/stable-diffusion.js";
import { StableDiffusionImg2ImgPipeline } from "../../src/pipelines/stable-diffusion-img2img.js";
import { StableDiffusionInpaintPipeline } from "../../src/pipelines/stable-diffusion-inpaint.js";
import { StableDiffusionXLPipeline } from "../../src/pipelines/stable-diffusion-xl.js";
import { StableDiffusionXLImg2ImgPipeline } from "../../src/pipelines/stable-diffusion-xl-img2img.js";
import { StableDiffusionXLInpaintPipeline } from "../../src/pipelines/stable-diffusion-xl-inpaint.js";
import { DPMSolverMultistepScheduler } from "../../src/schedulers/dpm-solver-multistep.js";
import { EulerDiscreteScheduler } from "../../src/schedulers/euler-discrete.js";
import { Generator } from "../../src/tensor/random.js";
import { changedCheckpoint } from "../helpers/checkpoints.js";
import { checkpoint } from "../helpers/fixtures.js";
import { temporaryFolder } from "../helpers/temporary.js";
import { darkroom } from "./darkroom.js";
import { device, input, makePicture, mask, opened, parametersOf, request, saveInputs } from "./pictures.js";

let folder: string;
beforeEach(async () => {
  folder = temporaryFolder();
  await saveInputs(folder);
});

/** The picture `darkroom generate` makes. */
async function generated(model: string, ...args: string[]): Promise<Picture> {
  return makePicture(folder, "--model", model.includes("/") ? model : checkpoint(model), request.prompt, ...args);
}

async function settings(): Promise<Readonly<Record<string, string>>> {
  return (await parametersOf(folder)).settings;
}

describe("darkroom generate --image", () => {
  it("makes the picture that StableDiffusionImg2ImgPipeline makes", async () => {
    const pipe = await opened(StableDiffusionImg2ImgPipeline.fromPretrained(checkpoint("sd1-mini"), { device }));
    const { images } = await pipe.generate({ ...request, image: input, strength: 0.6 });
    expect(await generated("sd1-mini", "--image", "in.png", "--strength", "0.6")).toEqual(images[0]);
  });

  it("has diffusers' strength by default", async () => {
    const pipe = await opened(StableDiffusionImg2ImgPipeline.fromPretrained(checkpoint("sd1-mini"), { device }));
    const { images } = await pipe.generate({ ...request, image: input });
    expect(await generated("sd1-mini", "--image", "in.png")).toEqual(images[0]);
  });

  it("resizes the picture to --size first", async () => {
    const pipe = await opened(StableDiffusionImg2ImgPipeline.fromPretrained(checkpoint("sd1-mini"), { device }));
    const { images } = await pipe.generate({ ...request, image: resize(input, 64, 32, { resampling: "lanczos" }) });
    expect(await generated("sd1-mini", "--image", "in.png", "--size", "64x32")).toEqual(images[0]);
  });

  it("makes the picture that StableDiffusionXLImg2ImgPipeline makes", async () => {
    const pipe = await opened(StableDiffusionXLImg2ImgPipeline.fromPretrained(checkpoint("sdxl-refiner-mini"), { device }));
    const { images } = await pipe.generate({ ...request, image: input, strength: 0.5 });
    expect(await generated("sdxl-refiner-mini", "--image", "in.png", "--strength", "0.5")).toEqual(images[0]);
  });

  it("takes a data URL", async () => {
    const address = `data:image/png;base64,${readFileSync(join(folder, "in.png")).toString("base64")}`;
    expect(await generated("sd1-mini", "--image", address)).toEqual(await generated("sd1-mini", "--image", "in.png"));
  });

  it("writes strength and picture into the settings", async () => {
    await generated("sd1-mini", "--image", "in.png", "--strength", "0.6");
    expect(await settings()).toMatchObject({ "Denoising strength": "0.6", "Init image": "in.png", Size: `${input.width}x${input.height}` });
  });
});

describe("darkroom generate --image --mask", () => {
  const { width, height } = input;
  const size = { width, height };

  it.each(["sd1-mini", "sd1-inpaint-mini"])(
    "makes the picture that StableDiffusionInpaintPipeline makes, at its size: %s",
    async (model) => {
      const pipe = await opened(StableDiffusionInpaintPipeline.fromPretrained(checkpoint(model), { device }));
      const { images } = await pipe.generate({ ...request, ...size, image: input, maskImage: mask });
      expect(await generated(model, "--image", "in.png", "--mask", "mask.png")).toEqual(images[0]);
    },
  );

  it("makes the picture that StableDiffusionXLInpaintPipeline makes", async () => {
    const pipe = await opened(StableDiffusionXLInpaintPipeline.fromPretrained(checkpoint("sdxl-base-mini"), { device }));
    const { images } = await pipe.generate({ ...request, ...size, image: input, maskImage: mask, strength: 0.8 });
    expect(await generated("sdxl-base-mini", "--image", "in.png", "--mask", "mask.png", "--strength", "0.8")).toEqual(images[0]);
  });

  it("works only around the mask with --mask-padding, at the checkpoint's size", async () => {
    const pipe = await opened(StableDiffusionInpaintPipeline.fromPretrained(checkpoint("sd1-mini"), { device }));
    const { images } = await pipe.generate({ ...request, image: input, maskImage: mask, paddingMaskCrop: 4 });
    expect(await generated("sd1-mini", "--image", "in.png", "--mask", "mask.png", "--mask-padding", "4")).toEqual(images[0]);
    expect(await settings()).toMatchObject({ Mask: "mask.png", "Inpaint area": "Only masked", "Masked area padding": "4" });
  });
});

describe("darkroom generate --refiner", () => {
  const refiner = ["--refiner", checkpoint("sdxl-refiner-mini")];

  async function ensemble() {
    const base = await opened(StableDiffusionXLPipeline.fromPretrained(checkpoint("sdxl-base-mini"), { device }));
    const { textEncoder2, vae } = base;
    return {
      base,
      refiner: await opened(
        StableDiffusionXLImg2ImgPipeline.fromPretrained(checkpoint("sdxl-refiner-mini"), { device, textEncoder2, vae }),
      ),
    };
  }

  it("makes the picture that base and refiner make as an ensemble", async () => {
    const { base, refiner: second } = await ensemble();
    const { seed, ...common } = { ...request, generator: new Generator(request.seed) };
    const { images: image } = await base.generate({ ...common, denoisingEnd: 0.8, outputType: "latent" });
    const { images } = await second.generate({ ...common, denoisingStart: 0.8, image });
    expect(await generated("sdxl-base-mini", ...refiner)).toEqual(images[0]);
    expect(await settings()).toMatchObject({ Refiner: "sdxl-refiner-mini", "Refiner switch at": "0.8", "CFG scale": "5" });
  });

  it("takes over at --refine-from", async () => {
    const { base, refiner: second } = await ensemble();
    const { seed, ...common } = { ...request, generator: new Generator(request.seed) };
    const { images: image } = await base.generate({ ...common, denoisingEnd: 0.5, outputType: "latent" });
    const { images } = await second.generate({ ...common, denoisingStart: 0.5, image });
    expect(await generated("sdxl-base-mini", ...refiner, "--refine-from", "0.5")).toEqual(images[0]);
  });

  it("counts the steps of both", async () => {
    const args = ["generate", "fox", "--model", checkpoint("sdxl-base-mini"), ...refiner, "--steps", "10", "--device", device];
    const { stderr } = await darkroom(args, folder);
    expect([...stderr.matchAll(/^step (\d+\/\d+)/gm)].map(([, count]) => count)).toEqual(
      Array.from({ length: 10 }, (_, i) => `${i + 1}/10`),
    );
  });
});

describe("darkroom generate --timesteps and --sigmas", () => {
  it("makes the picture that the pipeline makes with these timesteps, and writes them into the settings", async () => {
    const pipe = await opened(StableDiffusionPipeline.fromPretrained(checkpoint("sd1-mini"), { device }));
    pipe.scheduler = DPMSolverMultistepScheduler.fromConfig(pipe.scheduler.config);
    const { images } = await pipe.generate({ ...request, timesteps: [999, 600, 200] });
    expect(await generated("sd1-mini", "--timesteps", "999,600,200", "--scheduler", "dpm++-2m")).toEqual(images[0]);
    expect(await settings()).toMatchObject({ Steps: "3", Timesteps: "999, 600, 200" });
  });

  it("makes the picture that the pipeline makes with these noise levels, and writes them into the settings", async () => {
    const pipe = await opened(StableDiffusionPipeline.fromPretrained(checkpoint("sd1-mini"), { device }));
    pipe.scheduler = EulerDiscreteScheduler.fromConfig(pipe.scheduler.config);
    const { images } = await pipe.generate({ ...request, sigmas: [14.6, 2.2, 0.5, 0] });
    expect(await generated("sd1-mini", "--sigmas", "14.6, 2.2,0.5,0", "--scheduler", "euler")).toEqual(images[0]);
    expect(await settings()).toMatchObject({ Steps: "3", Sigmas: "14.6, 2.2, 0.5, 0" });
  });
});

describe("darkroom generate --cache", () => {
  it("makes the picture that the pipeline makes with a cache of that interval, and writes it into the settings", async () => {
    const pipe = await opened(StableDiffusionPipeline.fromPretrained(checkpoint("sd1-mini"), { device }));
    const { images } = await pipe.generate({ ...request, cache: { interval: 3 } });
    const { images: uncached } = await pipe.generate(request);
    expect(uncached).not.toEqual(images);
    expect(await generated("sd1-mini", "--cache", "3")).toEqual(images[0]);
    expect(await settings()).toMatchObject({ "DeepCache interval": "3" });
    expect(await generated("sd1-mini", "--cache", "1")).toEqual(uncached[0]);
    expect(await settings()).not.toHaveProperty("DeepCache interval");
  });

  it("also serves the refiner", async () => {
    const cache = { interval: 2 };
    const { seed, ...common } = { ...request, cache, generator: new Generator(request.seed) };
    const base = await opened(StableDiffusionXLPipeline.fromPretrained(checkpoint("sdxl-base-mini"), { device }));
    const { textEncoder2, vae } = base;
    const parts = { device, textEncoder2, vae } as const;
    const refiner = await opened(StableDiffusionXLImg2ImgPipeline.fromPretrained(checkpoint("sdxl-refiner-mini"), parts));
    const { images: image } = await base.generate({ ...common, denoisingEnd: 0.5, outputType: "latent" });
    const { images } = await refiner.generate({ ...common, denoisingStart: 0.5, image });
    const ensemble = ["--refiner", checkpoint("sdxl-refiner-mini"), "--refine-from", "0.5"];
    expect(await generated("sdxl-base-mini", ...ensemble, "--cache", "2")).toEqual(images[0]);
  });

  it("is in the JSON and in the progress", async () => {
    const args = ["generate", "fox", "--steps", "2", "--seed", "1", "--device", device, "--cache", "2", "--json"];
    const { stdout, stderr } = await darkroom(args, folder);
    expect(JSON.parse(stdout)).toMatchObject({ cache: 2 });
    expect(stderr).toContain("cache 2");
  });
});

describe("darkroom generate --vae", () => {
  it.each([
    ["vae-swap-mini", AutoencoderKL],
    ["taesd-mini", AutoencoderTiny],
  ] as const)("decodes with the given autoencoder, of any class: %s", async (name, Vae) => {
    const vae = await opened<AutoencoderKL | AutoencoderTiny>(Vae.fromPretrained(checkpoint(name), { device }));
    const pipe = await opened(StableDiffusionPipeline.fromPretrained(checkpoint("sd1-mini"), { device, vae }));
    const { images } = await pipe.generate(request);
    expect(await generated("sd1-mini", "--vae", checkpoint(name))).toEqual(images[0]);
    expect(await settings()).toMatchObject({ VAE: name });
  });
});

describe("darkroom generate with a checkpoint that takes no prompt", () => {
  const { numInferenceSteps, seed } = request;

  it("makes the picture that DDPMPipeline makes", async () => {
    const pipe = await opened(DDPMPipeline.fromPretrained(checkpoint("ddpm-mini"), { device }));
    const { images } = await pipe.generate({ numInferenceSteps, seed });
    expect(await makePicture(folder, "--model", checkpoint("ddpm-mini"))).toEqual(images[0]);
  });

  it("makes the picture that DDIMPipeline makes", async () => {
    const model = changedCheckpoint("ddpm-mini", "model_index.json", { _class_name: "DDIMPipeline" });
    const pipe = await opened(DDIMPipeline.fromPretrained(model, { device }));
    const { images } = await pipe.generate({ numInferenceSteps, seed });
    expect(await makePicture(folder, "--model", model)).toEqual(images[0]);
  });

  it("names the picture after the checkpoint, and writes no guidance into it", async () => {
    const args = ["--model", checkpoint("ddpm-mini"), "--steps", "2", "--seed", "7", "--device", device, "--quiet"];
    expect(await darkroom(["generate", ...args], folder)).toMatchObject({ stdout: "ddpm-mini-7.png\n", stderr: "" });
    const text = (await readPngText(readFileSync(join(folder, "ddpm-mini-7.png")))).parameters ?? "";
    expect(text).toMatch(/^Steps: 2, Sampler: DDPM, Seed: 7, /);
  });
});

describe("darkroom generate --json", () => {
  it("states what the picture was made from", async () => {
    const args = ["fox", "--model", checkpoint("sd1-mini"), "--image", "in.png", "--mask", "mask.png", "--steps", "1", "--device", device];
    const { stdout } = await darkroom(["generate", ...args, "--json", "--quiet"], folder);
    expect(JSON.parse(stdout)).toMatchObject({ image: "in.png", mask: "mask.png", strength: 1, guidance: 7.5 });
  });
});
