// The denoising loop by hand, without a prompt: npm run example -- 02 [checkpoint, e.g. google/ddpm-cat-256]
import { DDPMScheduler, Generator, Picture, randn, UNet2DModel } from "darkroom";

const [checkpoint = "test/checkpoints/ddpm-mini"] = process.argv.slice(2);

const scheduler = await DDPMScheduler.fromPretrained(checkpoint, { subfolder: "scheduler" });
const model = await UNet2DModel.fromPretrained(checkpoint, { subfolder: "unet" });
const generator = new Generator(0);
scheduler.setTimesteps(50);

const { inChannels, sampleSize } = model.config;
const side = typeof sampleSize === "number" ? sampleSize : 256;
let sample = randn([1, inChannels, side, side], generator);
for (const timestep of scheduler.timesteps) {
  const { sample: noise } = await model.forward(sample, timestep);
  sample = scheduler.step(noise, timestep, sample, { generator }).prevSample;
}

// From -1..1, channels first, to 8-bit pixels, channels last.
const unit = sample.div(2).add(0.5).clamp(0, 1);
const pixels = new Uint8Array(side * side * 3);
for (let y = 0; y < side; y++) {
  for (let x = 0; x < side; x++) {
    for (let c = 0; c < 3; c++) {
      pixels[(y * side + x) * 3 + c] = Math.round((unit.data[(c * side + y) * side + x] ?? 0) * 255);
    }
  }
}
await new Picture(side, side, pixels).save("out/02-own-loop.png");

console.log("out/02-own-loop.png");
await model.dispose();
