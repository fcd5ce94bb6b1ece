// `npm run pictures` draws the pictures of the README and of docs/ anew: with the checkpoint that comes with the package, and where a
// workflow needs more, with checkpoints of the tests, whose weights are random.
import { readFileSync } from "node:fs";
import {
  AnimateDiffPipeline,
  canny,
  DDIMScheduler,
  DiffusionPipeline,
  EMBEDDED_CHECKPOINT,
  GrayPicture,
  MotionAdapter,
  StableDiffusionImg2ImgPipeline,
  StableDiffusionInpaintPipeline,
  StableDiffusionPipeline,
  toRgb,
  VaeImageProcessor,
} from "darkroom";
import { generate } from "darkroom/generate";
import sharp from "sharp";

const SETTINGS = { numInferenceSteps: 20, guidanceScale: 4, seed: 3 };
const PANDA = "a panda on a green background";

/** The prompts of the pictures at the top of the README, which names them. */
const README = ["a red fox", "a panda in the snow", "an owl at night", "a house by the sea", "two apples", "a castle at sunset"];

const pipe = await DiffusionPipeline.fromPretrained(EMBEDDED_CHECKPOINT);
const img2img = await StableDiffusionImg2ImgPipeline.fromPipe(pipe);
const inpaint = await StableDiffusionInpaintPipeline.fromPipe(pipe);

const draw = async (request, pipeline = pipe) => (await pipeline.generate({ ...SETTINGS, ...request })).images[0];

/** Pictures of one height side by side, with white between them. */
async function row(name, pictures) {
  const [gap, height] = [4, pictures[0].height];
  const width = pictures.reduce((sum, picture) => sum + picture.width + gap, -gap);
  const data = new Uint8Array(width * height * 3).fill(255);
  let left = 0;
  for (const picture of pictures) {
    for (let y = 0; y < height; y++) {
      data.set(picture.data.subarray(y * picture.width * 3, (y + 1) * picture.width * 3), (y * width + left) * 3);
    }
    left += picture.width + gap;
  }
  const raw = { width, height, channels: 3 };
  // A palette: a picture for people to look at has a third of the bytes so.
  const { size } = await sharp(data, { raw }).png({ palette: true, colours: 200, effort: 10 }).toFile(`docs/${name}.png`);
  console.log(`docs/${name}.png: ${Math.round(size / 1000)} kB`);
}

async function drawAll(requests, pipeline) {
  const pictures = [];
  for (const request of requests) pictures.push(await draw(request, pipeline));
  return pictures;
}

const named = README.map((prompt) => `"${prompt}"`).join(", ");
if (!readFileSync("README.md", "utf8").replaceAll("\n", " ").includes(named))
  throw new Error(`README.md does not name its pictures: ${named}`);
await row("pictures", await drawAll(README.map((prompt) => ({ prompt }))));

const panda = await draw({ prompt: PANDA });
const apple = await draw({ prompt: "a red apple" });

const changes = await drawAll(
  [0.5, 0.7].map((strength) => ({ prompt: "an orange", image: apple, strength, seed: 1 })),
  img2img,
);
const { width, height } = panda;
const right = new GrayPicture(
  width,
  height,
  Uint8Array.from({ length: width * height }, (_, i) => (i % width < width / 2 ? 0 : 255)),
);
const repainted = await draw({ prompt: "a sunflower", image: panda, maskImage: right, strength: 1, seed: 5 }, inpaint);
await row("edits", [apple, ...changes, panda, toRgb(right), repainted]);

const processor = new VaeImageProcessor();
const wide = ["default", "crop", "fill"].map((mode) => processor.resize(panda, width * 1.5, height, mode));
await row("control", [panda, toRgb(canny(panda, { lowThreshold: 50, highThreshold: 150 })), ...wide.map(toRgb)]);

const previews = [];
for await (const step of pipe.steps({ ...SETTINGS, prompt: PANDA, numInferenceSteps: 10 })) previews.push(...(await step.preview()));
await row("steering", previews);

const knobs = [
  {},
  { freeU: { s1: 0.9, s2: 0.2, b1: 1.2, b2: 1.4 } },
  { pagScale: 3 },
  { guidanceInterval: { start: 0.2, stop: 0.8 } },
  { guidanceScale: 12 },
  { guidanceScale: 12, guidanceRescale: 0.7 },
];
await row("quality", await drawAll(knobs.map((knob) => ({ prompt: "an orange", ...knob }))));
await pipe.dispose();

const flower = { prompt: "a sunflower", ...SETTINGS };
const [small] = (await generate(flower)).pictures;
const [large] = (await generate({ ...flower, hires: { scale: 2, strength: 0.2 } })).pictures;
await row("upscaling", [processor.resize(small.image, large.image.width, large.image.height), large.image]);

// The effects of these are real, but random weights draw only colours.
const random = await StableDiffusionPipeline.fromPretrained("test/checkpoints/sd1-mini");
const fox = { prompt: "a fox", numInferenceSteps: 10, seed: 0 };
const plain = await draw(fox, random);
await random.loadIPAdapter("test/checkpoints/ip-adapter-mini/models/ip-adapter_sd15.safetensors");
const scales = await drawAll(
  [0.5, 1].map((ipAdapterScale) => ({ ...fox, ipAdapterImage: panda, ipAdapterScale })),
  random,
);
await row("ip-adapter", [processor.resize(panda, 32, 32), plain, ...scales]);
await random.dispose();

const motionAdapter = await MotionAdapter.fromPretrained("test/checkpoints/options/motion-adapter");
const animate = await AnimateDiffPipeline.fromPretrained("test/checkpoints/sd1-mini", { motionAdapter });
animate.scheduler = DDIMScheduler.fromConfig(animate.scheduler.config, { betaSchedule: "linear", clipSample: false });
await row("videos", (await animate.generate({ ...fox, numFrames: 8 })).images);
await animate.dispose();
await motionAdapter.dispose();
