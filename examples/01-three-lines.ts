// Three lines from a checkpoint to a picture: npm run example -- 01 [checkpoint] [prompt]
import { DiffusionPipeline, EMBEDDED_CHECKPOINT } from "darkroom";

const [checkpoint = EMBEDDED_CHECKPOINT, prompt = "a red apple on a blue background"] = process.argv.slice(2);

const pipe = await DiffusionPipeline.fromPretrained(checkpoint);
const { images } = await pipe.generate({ prompt, numInferenceSteps: 20, guidanceScale: 4, seed: 0 });
await images[0]?.save("out/01-three-lines.png");

console.log("out/01-three-lines.png");
await pipe.dispose();
