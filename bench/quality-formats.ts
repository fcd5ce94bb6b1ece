// Compares pictures of quantised transformers with those of the bfloat16 one, on the tiny FLUX.1 checkpoint of the tests, whose weights are
// random, and prints the rows of bench/QUALITY.md: npx tsx bench/quality-formats.ts
import { join } from "node:path";
import { FluxPipeline, FluxTransformer2DModel, type Picture } from "darkroom";
import { ROOT } from "./paths.js";
import { formatDecibels, psnr } from "./psnr.js";

const CHECKPOINTS = join(ROOT, "test/checkpoints");
const BASE = join(CHECKPOINTS, "flux-schnell-mini");
const PROMPTS = ["a photo of a red fox, oil painting", "a panda", "two red apples", "a castle at night", "a robot"];

/** Files and folders of the transformer's weights in other formats. */
const FORMATS: Readonly<Record<string, string>> = {
  "Q8_0 (GGUF)": "quantised/flux-schnell-mini-Q8_0.gguf",
  "Q4_0 (GGUF)": "quantised/flux-schnell-mini-Q4_0.gguf",
  "fp8 e4m3fn": "quantised/flux-schnell-mini-fp8_e4m3fn.safetensors",
  "fp8 with a scale for each matrix": "quantised/flux-schnell-mini-fp8_scaled.safetensors",
  "LLM.int8 (bitsandbytes)": "quantised/flux-schnell-mini-bnb_int8",
  "NF4 (bitsandbytes)": "quantised/flux-schnell-mini-bnb_nf4",
  "NF4, double quantisation": "quantised/flux-schnell-mini-bnb_nf4_double",
};

async function paint(transformer?: FluxTransformer2DModel): Promise<readonly Picture[]> {
  await using pipe = await FluxPipeline.fromPretrained(BASE, { device: "cpu", ...(transformer && { transformer }) });
  const pictures: Picture[] = [];
  for (const [seed, prompt] of PROMPTS.entries()) {
    const { images } = await pipe.generate({
      prompt,
      seed,
      width: 64,
      height: 64,
      numInferenceSteps: 4,
      guidanceScale: 0,
      maxSequenceLength: 64,
    });
    pictures.push(images[0] as Picture);
  }
  return pictures;
}

const exact = await paint();
for (const [name, path] of Object.entries(FORMATS)) {
  const full = join(CHECKPOINTS, path);
  const isFile = /\.(gguf|safetensors)$/.test(path);
  await using transformer = isFile
    ? await FluxTransformer2DModel.fromSingleFile(full, { device: "cpu", config: join(BASE, "transformer") })
    : await FluxTransformer2DModel.fromPretrained(full, { device: "cpu" });
  const decibels = (await paint(transformer)).map((picture, i) => psnr(picture.data, (exact[i] as Picture).data));
  const mean = decibels.reduce((sum, each) => sum + each, 0) / decibels.length;
  console.log(`| ${name} | ${formatDecibels(mean)} | ${formatDecibels(Math.min(...decibels))} |`);
}
