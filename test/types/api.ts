// Never run: `tsc` alone judges what a program may write against the public API, and what it may not.

import {
  type AutoencoderKL,
  CLIPTextModel,
  CLIPTextModelWithProjection,
  DiffusionPipeline,
  EulerDiscreteScheduler,
  Generator,
  type Picture,
  randint,
  randn,
  type StableDiffusionOptions,
  StableDiffusionPipeline,
  StableDiffusionXLPipeline,
  type Tensor,
  type TextToImagePipeline,
  UNet2DConditionModel,
} from "../../src/index.js";

declare const pipe: StableDiffusionPipeline;
declare const anyPipe: TextToImagePipeline;
declare const vae: AutoencoderKL;
declare const ids: Tensor<"int64">;
declare const tensor: Tensor;

/** The kind of the output follows from `outputType`. */
export async function outputs() {
  (await pipe.generate({ prompt: "a fox" })).images satisfies Picture[];
  (await pipe.generate({ prompt: "a fox", outputType: "image" })).images satisfies Picture[];
  (await pipe.generate({ prompt: "a fox", outputType: "tensor" })).images satisfies Tensor;
  (await pipe.generate({ prompt: "a fox", outputType: "latent" })).images satisfies Tensor;
  (await pipe.generate({ prompt: "a fox" })).seeds satisfies readonly bigint[];
  (await anyPipe.generate({ prompt: "a fox" })).images satisfies Picture[];
  (await pipe.steps({ prompt: "a fox" }).result).images satisfies Picture[];
  // @ts-expect-error: latents are no pictures
  (await pipe.generate({ prompt: "a fox", outputType: "latent" })).images satisfies Picture[];
  // @ts-expect-error: there is no such output
  await pipe.generate({ prompt: "a fox", outputType: "pil" });
}

/** Every step tells how far the work is, and can show it. */
export async function steps() {
  for await (const step of pipe.steps({ prompt: "a fox", seed: 1n })) {
    step.index satisfies number;
    step.total satisfies number;
    step.latents satisfies Tensor;
    (await step.preview()) satisfies Picture[];
    // @ts-expect-error: a step is not to be changed
    step.index = 0;
  }
}

/** Embeddings stand in for prompts, XL's with their pooled ones. */
export async function embeddings(xl: StableDiffusionXLPipeline) {
  const embeds = await pipe.encodePrompt({ prompt: ["a", "b"], promptSyntax: "a1111", clipSkip: 1, doClassifierFreeGuidance: true });
  embeds.promptEmbeds satisfies Tensor;
  void pipe.generate({ ...embeds, seed: 1 });
  void xl.generate(await xl.encodePrompt({ prompt: "a", prompt2: "b" }));
  (await xl.encodePrompt({ prompt: "a" })).pooledPromptEmbeds satisfies Tensor;
  void anyPipe.encodePrompt({ prompt: "a" });
  // @ts-expect-error: there is one text encoder
  void pipe.encodePrompt({ prompt: "a", prompt2: "b" });
  // @ts-expect-error: there is no such syntax
  void pipe.generate({ prompt: "a", promptSyntax: "compel" });
  // @ts-expect-error: without guidance there are none
  (await pipe.encodePrompt({ prompt: "a" })).negativePromptEmbeds satisfies Tensor;
}

/** What a request may hold. */
export function requests(more: StableDiffusionOptions) {
  void pipe.generate({ prompt: "a", ...more });
  void pipe.generate({ prompt: ["a", "b"], negativePrompt: "c", seed: [1, 2n] });
  void pipe.generate({ promptEmbeds: tensor, generator: [new Generator(1), new Generator(2n)] });
  void pipe.generate({ prompt: "a", signal: AbortSignal.timeout(1000), latents: tensor });
  void pipe.generate({ prompt: "a", cache: { interval: 3 } });
  void anyPipe.generate({ prompt: "a", cache: { interval: 2, branch: 3 } });
  // @ts-expect-error: the cache is told its interval by name
  void pipe.generate({ prompt: "a", cache: 3 });
  void anyPipe.generate({ prompt: "a", cache: { threshold: 0.1 } });
  // @ts-expect-error: a number, not its text
  void pipe.generate({ prompt: "a", cache: { threshold: "0.1" } });
  // @ts-expect-error: diffusers' spelling is not ours
  void pipe.generate({ prompt: "a", num_inference_steps: 20 });
  // @ts-expect-error: a number, not its text
  void pipe.generate({ prompt: "a", numInferenceSteps: "20" });
  // @ts-expect-error: a seed is a number or a bigint
  void pipe.generate({ prompt: "a", seed: "1" });
  // @ts-expect-error: latents are float32
  void pipe.generate({ prompt: "a", latents: ids });
}

/** How a checkpoint is opened. */
export async function opening() {
  (await DiffusionPipeline.fromPretrained("folder")) satisfies TextToImagePipeline;
  (await StableDiffusionPipeline.fromPretrained("folder", { vae, safetyChecker: null })) satisfies StableDiffusionPipeline;
  (await StableDiffusionXLPipeline.fromPretrained("folder", { variant: "fp16" })) satisfies StableDiffusionXLPipeline;
  (await DiffusionPipeline.fromPretrained("folder", { scheduler: new EulerDiscreteScheduler(), device: "cuda", deviceId: 1 }))
    .device satisfies "cpu" | "webgpu" | "cuda" | "coreml" | "dml" | "wasm";
  // @ts-expect-error: there is no such device
  void DiffusionPipeline.fromPretrained("folder", { device: "gpu" });
  // @ts-expect-error: the parts are named as the pipeline's properties are
  void StableDiffusionPipeline.fromPretrained("folder", { text_encoder: undefined });
  // @ts-expect-error: an autoencoder is no UNet
  void StableDiffusionPipeline.fromPretrained("folder", { unet: vae });
}

/** The parts of a pipeline can be exchanged and disposed of. */
export async function parts() {
  pipe.scheduler = EulerDiscreteScheduler.fromConfig(pipe.scheduler.config, { useKarrasSigmas: true });
  pipe.vae = vae;
  await using own = pipe;
  own.unet satisfies UNet2DConditionModel;
  // @ts-expect-error: a scheduler is not made of a plain object
  pipe.scheduler = {};
  // @ts-expect-error: the config is what the checkpoint says
  pipe.unet.config.inChannels = 9;
}

/** Networks take and give tensors of certain dtypes. */
export async function networks() {
  const text = await CLIPTextModel.fromPretrained("folder", { subfolder: "text_encoder" });
  (await text.forward(ids)).lastHiddenState satisfies Tensor;
  (await (await CLIPTextModelWithProjection.fromPretrained("folder")).forward(ids)).textEmbeds satisfies Tensor;
  const unet = await UNet2DConditionModel.fromPretrained("folder");
  (await unet.forward(tensor, 999, { encoderHiddenStates: tensor })).sample satisfies Tensor;
  (await unet.forward(tensor, 999, { encoderHiddenStates: tensor, cacheBranch: 0 })).deepFeature satisfies Tensor | undefined;
  (await vae.encode(tensor)).latentDist.sample(new Generator(0)) satisfies Tensor;
  // @ts-expect-error: token ids are int64
  void text.forward(tensor);
  // @ts-expect-error: only the model with a projection has text embeddings
  (await text.forward(ids)).textEmbeds satisfies Tensor;
  // @ts-expect-error: a UNet is always conditioned
  void unet.forward(tensor, 999, {});
}

/** Tensors know their dtype. */
export function tensors() {
  randn([2, 3], new Generator(0)) satisfies Tensor;
  randn([2, 3], new Generator(0), "float16") satisfies Tensor<"float16">;
  randint(0, 10, [3], new Generator(0)) satisfies Tensor<"int64">;
  tensor.mul(2).add(tensor) satisfies Tensor;
  tensor.div(2).add(0.5).clamp(0, 1).squeeze().permute(1, 2, 0).mul(255).round().to("uint8") satisfies Tensor<"uint8">;
  const [unconditional, text] = tensor.chunk(2);
  text.sub(unconditional) satisfies Tensor;
  tensor.chunk(3) satisfies [Tensor, Tensor, Tensor];
  ids.chunk(2, -1)[1] satisfies Tensor<"int64">;
  tensor.chunk(tensor.dim()) satisfies Tensor[];
  // @ts-expect-error: there are two parts
  tensor.chunk(2)[2];
  // @ts-expect-error: arithmetic is defined for float32
  ids.add(1);
  // @ts-expect-error: normals are floats
  randn([2], new Generator(0), "int64");
  // @ts-expect-error: shapes do not change
  tensor.shape[0] = 1;
}
