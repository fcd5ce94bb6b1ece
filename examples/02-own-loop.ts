// The denoising loop by hand, without a prompt: npm run example -- 02 [checkpoint, e.g. google/ddpm-cat-256]
import { DDPMScheduler, Generator, Picture, randn, UNet2DModel } from "darkroom";

const [checkpoint = "test/checkpoints/ddpm-flat"] = process.argv.slice(2);

const scheduler = await DDPMScheduler.fromPretrained(checkpoint);
const model = await UNet2DModel.fromPretrained(checkpoint);
const generator = new Generator(0);
scheduler.setTimesteps(50);

let sample = randn([1, model.config.inChannels, ...model.sampleSize], generator);
for (const timestep of scheduler.timesteps) {
  const { sample: noise } = await model.forward(sample, timestep);
  sample = scheduler.step(noise, timestep, sample, { generator }).prevSample;
}

const image = sample.div(2).add(0.5).clamp(0, 1).squeeze();
const pixels = image.permute(1, 2, 0).mul(255).round().to("uint8");
await Picture.fromTensor(pixels).save("out/02-own-loop.png");

console.log("out/02-own-loop.png");
await model.dispose();
