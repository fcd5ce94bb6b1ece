// Base and refiner of Stable Diffusion XL as an ensemble of experts: npm run example -- 03 [base] [refiner] [prompt]
import { StableDiffusionXLImg2ImgPipeline, StableDiffusionXLPipeline } from "darkroom";

const [
  baseCheckpoint = "test/checkpoints/sdxl-base-mini",
  refinerCheckpoint = "test/checkpoints/sdxl-refiner-mini",
  prompt = "a majestic lion jumping from a big stone at night",
] = process.argv.slice(2);

const base = await StableDiffusionXLPipeline.fromPretrained(baseCheckpoint, { variant: "fp16" });
// The refiner shares the second text encoder and the VAE of the base. With several GPUs: { device: "cuda", deviceId: 1 }.
const refiner = await StableDiffusionXLImg2ImgPipeline.fromPretrained(refinerCheckpoint, {
  variant: "fp16",
  textEncoder2: base.textEncoder2,
  vae: base.vae,
});

const numInferenceSteps = 40;
const highNoiseShare = 0.8;
const { images: latents } = await base.generate({
  prompt,
  numInferenceSteps,
  denoisingEnd: highNoiseShare,
  outputType: "latent",
  seed: 0,
});
const { images } = await refiner.generate({ prompt, numInferenceSteps, denoisingStart: highNoiseShare, image: latents, seed: 1 });
await images[0]?.save("out/03-sdxl-refiner.png");

console.log("out/03-sdxl-refiner.png");
await refiner.dispose();
await base.dispose();
