// Schedulers, batches and memory: npm run example -- 04 [checkpoint] [folder of another VAE]
import {
  AutoencoderKL,
  DiffusionPipeline,
  DPMSolverMultistepScheduler,
  EMBEDDED_CHECKPOINT,
  EulerDiscreteScheduler,
  Generator,
  makeImageGrid,
  type SchedulerClass,
} from "darkroom";

const [checkpoint = EMBEDDED_CHECKPOINT, vaeFolder] = process.argv.slice(2);
const vae = vaeFolder ? await AutoencoderKL.fromPretrained(vaeFolder) : undefined;

const pipe = await DiffusionPipeline.fromPretrained(checkpoint, { safetyChecker: null, ...(vae && { vae }) });
pipe.enableAttentionSlicing();
pipe.enableVaeSlicing();
pipe.enableVaeTiling();

const schedulers: SchedulerClass[] = [DPMSolverMultistepScheduler, EulerDiscreteScheduler];
for (const Scheduler of schedulers) {
  pipe.scheduler = Scheduler.fromConfig(pipe.scheduler.config);
  const { images } = await pipe.generate({
    prompt: ["a panda on a green background", "a red heart on the left"],
    negativePrompt: ["blurry", "blurry"],
    numImagesPerPrompt: 2,
    // One generator for each picture: each can be made again alone.
    generator: [0, 1, 2, 3].map((seed) => new Generator(seed)),
    numInferenceSteps: 20,
    guidanceScale: 4,
  });
  const path = `out/04-${pipe.scheduler.className}.png`;
  await makeImageGrid(images, 2, 2).save(path);
  console.log(path);
}
await pipe.dispose();
await vae?.dispose();
