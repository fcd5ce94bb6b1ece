// Stable Diffusion from its parts, guidance written out: npm run example -- 05 [checkpoint]
import {
  AutoencoderKL,
  CLIPTextModel,
  CLIPTokenizer,
  concat,
  EMBEDDED_CHECKPOINT,
  Generator,
  Picture,
  randn,
  UNet2DConditionModel,
  UniPCMultistepScheduler,
} from "darkroom";

const [checkpoint = EMBEDDED_CHECKPOINT] = process.argv.slice(2);
const vae = await AutoencoderKL.fromPretrained(checkpoint, { subfolder: "vae" });
const tokenizer = await CLIPTokenizer.fromPretrained(checkpoint, { subfolder: "tokenizer" });
const textEncoder = await CLIPTextModel.fromPretrained(checkpoint, { subfolder: "text_encoder" });
const unet = await UNet2DConditionModel.fromPretrained(checkpoint, { subfolder: "unet" });
const scheduler = await UniPCMultistepScheduler.fromPretrained(checkpoint, { subfolder: "scheduler" });

const [prompt, guidanceScale, generator] = ["a red apple on a blue background", 7.5, new Generator(0)];
const embed = async (text: string) => (await textEncoder.forward(tokenizer.tokenize(text).inputIds)).lastHiddenState;
const encoderHiddenStates = concat([await embed(""), await embed(prompt)]);
scheduler.setTimesteps(25);
let latents = randn([1, unet.config.inChannels, ...unet.sampleSize], generator).mul(scheduler.initNoiseSigma);
for (const [i, timestep] of scheduler.timesteps.entries()) {
  const input = scheduler.scaleModelInput(latents, timestep);
  const { sample } = await unet.forward(concat([input, input]), timestep, { encoderHiddenStates });
  const [unconditional, conditional] = sample.chunk(2);
  const noise = unconditional.add(conditional.sub(unconditional).mul(guidanceScale));
  latents = scheduler.step(noise, timestep, latents).prevSample;
  process.stderr.write(`\rstep ${i + 1}/${scheduler.timesteps.length}`);
}

// 0.18215 for Stable Diffusion's own VAE; every checkpoint says its number.
const { sample } = await vae.decode(latents.div(vae.config.scalingFactor));
await Picture.fromTensor(sample.div(2).add(0.5)).save("out/05-by-hand.png");
console.log("\nout/05-by-hand.png");
for (const part of [vae, textEncoder, unet]) await part.dispose();
