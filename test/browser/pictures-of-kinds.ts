import type { Picture } from "../../src/index.js";
import type { Darkroom } from "./site.js";

/** Where the tests' folders are, and the device. */
export interface PictureRuns {
  readonly checkpoints: string;
  readonly fixtures: string;
  readonly device: "cpu" | "wasm";
}

/**
 * Makes a small picture in each of the ways that a pipeline offers, by its name: its bytes, or what was thrown. Node and a page call this
 * very function, so nothing outside it may be used.
 */
export async function makePictures(lib: Darkroom, { checkpoints, fixtures, device }: PictureRuns) {
  const at = (name: string) => `${checkpoints}${name}`;
  const size = { height: 64, width: 96 };
  const call = { prompt: "a red fox", negativePrompt: "blurry", numInferenceSteps: 2, seed: 3 };
  const photo = (height: number, width: number) => ({
    width,
    height,
    channels: 3 as const,
    data: Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 7 + (i % 3) * 40 + Math.floor(i / width)) % 256),
  });
  const image = photo(64, 96);
  const picture = new lib.Picture(image.width, image.height, image.data);
  type Images = Promise<{ readonly images: readonly Picture[] }>;
  type Disposable = { dispose(): Promise<void> };
  const opened: Disposable[] = [];
  const open = async <Kind extends Disposable>(opening: Promise<Kind>): Promise<Kind> => {
    const kind = await opening;
    opened.push(kind);
    return kind;
  };
  const ways: Readonly<Record<string, () => Images>> = {
    "from a picture": async () => {
      const pipe = await open(lib.StableDiffusionImg2ImgPipeline.fromPretrained(at("sd1-mini"), { device }));
      return pipe.generate({ ...call, image, strength: 0.9, numImagesPerPrompt: 2 });
    },
    "by an inpainting checkpoint": async () => {
      const pipe = await open(lib.StableDiffusionInpaintPipeline.fromPretrained(at("sd1-inpaint-mini"), { device }));
      return pipe.generate({ ...call, ...size, image, maskImage: photo(64, 96), strength: 1 });
    },
    "by XL's refiner": async () => {
      const pipe = await open(lib.StableDiffusionXLImg2ImgPipeline.fromPretrained(at("sdxl-refiner-mini"), { device }));
      return pipe.generate({ ...call, image, strength: 0.9 });
    },
    "with a ControlNet": async () => {
      const controlnet = await open(lib.ControlNetModel.fromPretrained(at("controlnet-mini"), { device }));
      const pipe = await open(lib.StableDiffusionControlNetPipeline.fromPretrained(at("sd1-mini"), { device, controlnet }));
      return pipe.generate({ ...call, ...size, image });
    },
    "with a T2I-Adapter": async () => {
      const adapter = await open(lib.T2IAdapter.fromPretrained(at("adapter-mini"), { device }));
      const pipe = await open(lib.StableDiffusionAdapterPipeline.fromPretrained(at("sd1-mini"), { device, adapter }));
      return pipe.generate({ ...call, ...size, image });
    },
    "decoded by TAESD": async () => {
      const vae = await open(lib.AutoencoderTiny.fromPretrained(at("taesd-mini"), { device }));
      const pipe = await open(lib.StableDiffusionPipeline.fromPretrained(at("sd1-mini"), { device, vae }));
      return pipe.generate({ ...call, ...size });
    },
    "with a LoRA and weighted words": async () => {
      const pipe = await open(lib.StableDiffusionPipeline.fromPretrained(at("sd2-mini"), { device }));
      await pipe.loadLoraWeights(`${fixtures}lora/adapters`, { weightName: "sd2_kohya.safetensors" });
      return pipe.generate({ ...call, ...size, prompt: "a (red:1.4) fox, [dark]", promptSyntax: "a1111" });
    },
    "with an embedding": async () => {
      const pipe = await open(lib.StableDiffusionPipeline.fromPretrained(at("sd1-mini"), { device }));
      const [token] = await pipe.loadTextualInversion(`${fixtures}textual-inversion/embeddings/cat-toy.safetensors`);
      return pipe.generate({ ...call, ...size, prompt: `a ${token} in (snow:1.2)`, promptSyntax: "a1111" });
    },
    "with an IP-Adapter": async () => {
      const pipe = await open(lib.StableDiffusionPipeline.fromPretrained(at("sd1-mini"), { device }));
      await pipe.loadIPAdapter(at("ip-adapter-mini"), { subfolder: "models", weightName: "ip-adapter_sd15.safetensors" });
      return pipe.generate({ ...call, ...size, ipAdapterImage: image });
    },
    "twice as large from latents": async () => {
      const pipe = await open(lib.StableDiffusionLatentUpscalePipeline.fromPretrained(at("x2-upscaler-mini"), { device }));
      return pipe.generate({ ...call, image: photo(64, 64) });
    },
    "frames of a video": async () => {
      const motionAdapter = await open(lib.MotionAdapter.fromPretrained(at("options/motion-adapter"), { device }));
      const options = { device, motionAdapter, scheduler: "euler-a" } as const;
      const pipe = await open(lib.AnimateDiffPipeline.fromPretrained(at("sd1-mini"), options));
      return pipe.generate({ ...call, ...size, numFrames: 3, decodeChunkSize: 2 });
    },
    "a video from a video": async () => {
      const motionAdapter = await open(lib.MotionAdapter.fromPretrained(at("options/motion-adapter-v3"), { device }));
      const pipe = await open(lib.AnimateDiffVideoToVideoPipeline.fromPretrained(at("sd1-mini"), { device, motionAdapter }));
      return pipe.generate({ ...call, video: [image, photo(64, 96), image], strength: 0.9 });
    },
    "larger by an ESRGAN in tiles": async () => {
      const upscaler = await open(lib.Upscaler.fromSingleFile(at("upscalers/unshuffled-x2.safetensors"), { device }));
      return { images: [await upscaler.upscale(picture, { tile: 48, overlap: 12 })] };
    },
    "larger by a compact upscaler": async () => {
      const upscaler = await open(lib.Upscaler.fromSingleFile(at("upscalers/compact-x4.safetensors"), { device }));
      return { images: [await upscaler.upscale(picture)] };
    },
    "four times as large": async () => {
      const pipe = await open(lib.StableDiffusionUpscalePipeline.fromPretrained(at("x4-upscaler-mini"), { device }));
      return pipe.generate({ ...call, image: photo(16, 24) });
    },
  };
  const pictures: Record<string, readonly number[][] | string> = {};
  for (const [name, make] of Object.entries(ways)) {
    pictures[name] = await make().then(({ images }) => images.map(({ data }) => Array.from(data)), String);
    for (const each of opened.splice(0).reverse()) await each.dispose();
  }
  return pictures;
}
