// `npm run pictures` draws the README's pictures anew, side by side, with the checkpoint that comes with the package.
import { DiffusionPipeline, EMBEDDED_CHECKPOINT, makeImageGrid } from "darkroom";

const PROMPTS = [
  "a panda on a green background",
  "a red apple",
  "a sunflower",
  "an orange",
  "two red apples",
  "a panda on a blue background",
];

const pipe = await DiffusionPipeline.fromPretrained(EMBEDDED_CHECKPOINT);
const pictures = [];
for (const prompt of PROMPTS) {
  const { images } = await pipe.generate({ prompt, numInferenceSteps: 20, guidanceScale: 5, seed: 3 });
  pictures.push(...images);
}
await makeImageGrid(pictures, 1, pictures.length).save("docs/pictures.png");
await pipe.dispose();
