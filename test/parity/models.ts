import { join } from "node:path";
import { openFolder } from "#platform";
import { readConfig } from "../../src/checkpoint/config.js";
import type { JsonObject } from "../../src/checkpoint/json.js";
import { Picture } from "../../src/image/picture.js";
import { Qwen2VLImageProcessor } from "../../src/image/qwen2-vl-image-processor.js";
import { AsymmetricAutoencoderKL } from "../../src/models/asymmetric-autoencoder-kl.js";
import { AutoencoderKL } from "../../src/models/autoencoder-kl.js";
import { AutoencoderKLFlux2 } from "../../src/models/autoencoder-kl-flux2.js";
import { AutoencoderKLQwenImage } from "../../src/models/autoencoder-kl-qwen-image.js";
import { AutoencoderTiny } from "../../src/models/autoencoder-tiny.js";
import { ChromaTransformer2DModel } from "../../src/models/chroma-transformer-2d.js";
import { CLIPTextModel, CLIPTextModelWithProjection } from "../../src/models/clip-text.js";
import { ControlNetModel } from "../../src/models/controlnet.js";
import { ControlNetUnionModel } from "../../src/models/controlnet-union.js";
import { FluxTransformer2DModel } from "../../src/models/flux-transformer-2d.js";
import { Flux2Transformer2DModel } from "../../src/models/flux2-transformer.js";
import type { LanguageModel } from "../../src/models/language-model.js";
import type { ModelOptions } from "../../src/models/model.js";
import { MotionAdapter } from "../../src/models/motion-adapter.js";
import { type ImageShape, QwenImageTransformer2DModel } from "../../src/models/qwen-image-transformer.js";
import { Qwen2_5_VLForConditionalGeneration } from "../../src/models/qwen2-5-vl.js";
import { Qwen3Model } from "../../src/models/qwen3.js";
import { SD3Transformer2DModel } from "../../src/models/sd3-transformer-2d.js";
import { T2IAdapter } from "../../src/models/t2i-adapter.js";
import { T5EncoderModel } from "../../src/models/t5-encoder.js";
import { UNet2DModel } from "../../src/models/unet-2d.js";
import { UNet2DConditionModel } from "../../src/models/unet-2d-condition.js";
import { UNetMotionModel } from "../../src/models/unet-motion.js";
import { ZImageTransformer2DModel } from "../../src/models/z-image-transformer.js";
import type { Folder } from "../../src/platform/folder.js";
import type { DType } from "../../src/tensor/dtype.js";
import { Generator, parseSeed } from "../../src/tensor/random.js";
import { Tensor } from "../../src/tensor/tensor.js";
import type { ParityCase } from "./cases.js";
import { type Comparison, NotSupported, withinAbsolute } from "./comparison.js";

/**
 * For the absolute differences of networks. Long padding of FLUX.2 klein's prompts is beyond it in Python, too: of the prompts "", "fox"
 * and two longer ones at 512 tokens with flux2-klein-base-mini, Python's float32 is 4.9e-4 from its float64; ours is 3.2e-4 from Python's
 * float32, and 1.8e-4 from its float64.
 */
export const TOLERANCE = 1e-4;

interface ModelMeta {
  readonly checkpoint: string;
  readonly part?: string | null;
  readonly variant?: string | null;
  readonly timestep?: number | null;
  readonly clip_skip?: number | null;
  readonly conditioning_scale?: number | readonly number[] | null;
  readonly control_type_idx?: readonly number[] | null;
  readonly from_multi?: boolean | null;
  readonly guess_mode?: boolean | null;
  readonly img_shapes?: readonly ImageShape[] | null;
  /** Blocks that a transformer leaves out. */
  readonly skip_layers?: readonly number[] | null;
  readonly sample_seed?: number | string | null;
  /** The hidden states among the outputs. */
  readonly layers?: readonly number[] | null;
  /** The motion modules that the UNet gets. */
  readonly motion_adapter?: string | null;
}

type Tensors = Readonly<Record<string, Tensor<DType>>>;

/** A case's inputs by diffusers' names. It notes which tensors were read: all others must be outputs. */
class Inputs {
  private readonly asked = new Set<string>();

  constructor(
    readonly meta: ModelMeta,
    private readonly tensors: Tensors,
  ) {}

  /** @throws Error if the case has no such tensor. */
  take<D extends DType = "float32">(name: string): Tensor<D> {
    const tensor = this.find<D>(name);
    if (!tensor) throw new Error(`the case has no ${name}`);
    return tensor;
  }

  find<D extends DType = "float32">(name: string): Tensor<D> | undefined {
    this.asked.add(name);
    return this.tensors[name] as Tensor<D> | undefined;
  }

  /** `prefix.0`, `prefix.1`, ... */
  list(prefix: string): Tensor[] {
    const found: Tensor[] = [];
    for (let i = 0; `${prefix}.${i}` in this.tensors; i++) found.push(this.take(`${prefix}.${i}`));
    return found;
  }

  get timestep(): number | Tensor<"int64"> {
    return this.find<"int64">("timestep") ?? this.meta.timestep ?? 500;
  }

  get classLabels(): Tensor | Tensor<"int64"> | undefined {
    return this.find("class_labels") as Tensor | Tensor<"int64"> | undefined;
  }

  /** Names of the tensors that were not read. */
  get outputs(): string[] {
    return Object.keys(this.tensors).filter((name) => !this.asked.has(name));
  }
}

type Outputs = Record<string, Tensor | undefined>;

/** The inputs of FLUX.1's transformer and its kin. */
const fluxTokens = (inputs: Inputs) => ({
  encoderHiddenStates: inputs.take("encoder_hidden_states"),
  imgIds: inputs.take("img_ids"),
  txtIds: inputs.take("txt_ids"),
});

/** How each class is run, with the names of its inputs and outputs in a case. */
const MODELS: Readonly<Record<string, Runner>> = {
  UNet2DConditionModel: runner(UNet2DConditionModel, async (unet, inputs) => {
    const residuals = inputs.list("down_block_additional_residuals");
    const { sample } = await unet.forward(inputs.take("sample"), inputs.timestep, {
      encoderHiddenStates: inputs.take("encoder_hidden_states"),
      ...addedCondition(inputs),
      classLabels: inputs.classLabels,
      timestepCond: inputs.find("timestep_cond"),
      ...(residuals.length > 0 && { downBlockAdditionalResiduals: residuals }),
      midBlockAdditionalResidual: inputs.find("mid_block_additional_residual"),
    });
    return { out: sample };
  }),
  UNet2DModel: runner(UNet2DModel, async (unet, inputs) => {
    const { sample } = await unet.forward(inputs.take("sample"), inputs.timestep, { classLabels: inputs.classLabels });
    return { out: sample };
  }),
  ControlNetModel: runner(ControlNetModel, async (controlNet, inputs) => {
    const { downBlockResSamples, midBlockResSample } = await controlNet.forward(inputs.take("sample"), inputs.timestep, {
      encoderHiddenStates: inputs.take("encoder_hidden_states"),
      controlnetCond: inputs.take("hint"),
      ...addedCondition(inputs),
      classLabels: inputs.classLabels,
      conditioningScale: inputs.meta.conditioning_scale as number | undefined,
      guessMode: inputs.meta.guess_mode ?? undefined,
    });
    return { mid: midBlockResSample, ...Object.fromEntries(downBlockResSamples.map((residual, i) => [`down.${i}`, residual])) };
  }),
  ControlNetUnionModel: runner(ControlNetUnionModel, async (controlNet, inputs) => {
    const { downBlockResSamples, midBlockResSample } = await controlNet.forward(inputs.take("sample"), inputs.timestep, {
      encoderHiddenStates: inputs.take("encoder_hidden_states"),
      controlnetCond: inputs.list("hint"),
      controlType: inputs.take("control_type"),
      controlTypeIdx: inputs.meta.control_type_idx ?? [],
      ...addedCondition(inputs),
      classLabels: inputs.classLabels,
      conditioningScale: inputs.meta.conditioning_scale ?? undefined,
      fromMulti: inputs.meta.from_multi ?? undefined,
      guessMode: inputs.meta.guess_mode ?? undefined,
    });
    return { mid: midBlockResSample, ...Object.fromEntries(downBlockResSamples.map((residual, i) => [`down.${i}`, residual])) };
  }),
  QwenImageTransformer2DModel: runner(QwenImageTransformer2DModel, async (transformer, inputs) => {
    const { sample } = await transformer.forward(inputs.take("hidden_states"), inputs.take("timestep"), {
      encoderHiddenStates: inputs.take("encoder_hidden_states"),
      encoderHiddenStatesMask: inputs.find<"int64">("encoder_hidden_states_mask"),
      imgShapes: inputs.meta.img_shapes ?? [],
    });
    return { out: sample };
  }),
  T2IAdapter: runner(T2IAdapter, async (adapter, inputs) => {
    const features = await adapter.forward(inputs.take("pictures"));
    return Object.fromEntries(features.map((feature, i) => [`feature.${i}`, feature]));
  }),
  CLIPTextModel: runner(CLIPTextModel, encodeText),
  CLIPTextModelWithProjection: runner(CLIPTextModelWithProjection, encodeText),
  Qwen2_5_VLForConditionalGeneration: runner(Qwen2_5_VLForConditionalGeneration, async (model, inputs, folder) =>
    inputs.find<"uint8">("image") ? encodePictures(model, inputs, folder) : encodeByLayer(model, inputs),
  ),
  Qwen3Model: runner(Qwen3Model, encodeByLayer),
  Qwen3ForCausalLM: runner(Qwen3Model, encodeByLayer),
  T5EncoderModel: runner(T5EncoderModel, async (model, inputs) => {
    const ids = inputs.take<"int64">("input_ids");
    const plain = await model.forward(ids);
    const attentionMask = inputs.find<"int64">("attention_mask");
    const masked = attentionMask && (await model.forward(ids, { attentionMask }));
    const long = inputs.find<"int64">("long_input_ids");
    const states = long && (await model.forward(long)).lastHiddenState;
    return {
      last_hidden_state: plain.lastHiddenState,
      masked: masked?.lastHiddenState,
      long_last_hidden_state: states && everyToken(states, 25),
    };
  }),
  AutoencoderKL: runner(AutoencoderKL, codeWith),
  AsymmetricAutoencoderKL: runner(AsymmetricAutoencoderKL, async (vae, inputs) => {
    const [picture, latents, image, mask] = ["picture", "latents", "image", "mask"].map((name) => inputs.find(name));
    const distribution = picture && (await vae.encode(picture)).latentDist;
    return {
      mean: distribution?.mean,
      logvar: distribution?.logvar,
      decoded: latents && (await vae.decode(latents, image && mask && { image, mask })).sample,
    };
  }),
  AutoencoderKLQwenImage: runner(AutoencoderKLQwenImage, async (vae, inputs) => {
    const [image, latents] = [inputs.find("image"), inputs.find("latents")];
    const [batch = 0, channels = 0, ...sides] = image?.shape ?? [];
    const distribution = image && (await vae.encode(image.reshape([batch, channels, 1, ...sides]))).latentDist;
    return {
      mean: distribution?.mean,
      logvar: distribution?.logvar,
      sampled: distribution?.sample(new Generator(parseSeed(inputs.meta.sample_seed ?? 0))),
      decoded: latents && (await vae.decode(latents)).sample,
    };
  }),
  AutoencoderKLFlux2: runner(AutoencoderKLFlux2, async (vae, inputs) => {
    const { mean, logvar, sampled, decoded } = await codeWith(vae, inputs);
    const { mean: runningMean, std } = await vae.latentStatistics();
    const variance = std.mul(std).sub(vae.config.batchNormEps);
    return { mean, logvar, sampled, decoded, bn_running_mean: runningMean, bn_running_var: variance };
  }),
  Flux2Transformer2DModel: runner(Flux2Transformer2DModel, async (transformer, inputs) => {
    const { sample } = await transformer.forward(inputs.take("hidden_states"), inputs.take("timestep"), {
      encoderHiddenStates: inputs.take("encoder_hidden_states"),
      imgIds: inputs.take("img_ids"),
      txtIds: inputs.take("txt_ids"),
      guidance: inputs.find("guidance"),
    });
    return { out: sample };
  }),
  ZImageTransformer2DModel: runner(ZImageTransformer2DModel, async (transformer, inputs) => {
    const [x, t, capFeats] = [inputs.take("x"), inputs.take("t"), inputs.list("cap_feats")];
    const { sample: out } = await transformer.forward(x, t, { capFeats });
    const { sample: alone } = await transformer.forward(x.slice(0, 1), t.slice(0, 1), { capFeats: capFeats.slice(0, 1) });
    return { out, alone };
  }),
  FluxTransformer2DModel: runner(FluxTransformer2DModel, async (transformer, inputs) => {
    const { sample } = await transformer.forward(inputs.take("hidden_states"), inputs.take<"float32">("timestep"), {
      ...fluxTokens(inputs),
      pooledProjections: inputs.take("pooled_projections"),
      guidance: inputs.find("guidance"),
    });
    return { out: sample };
  }),
  ChromaTransformer2DModel: runner(ChromaTransformer2DModel, async (transformer, inputs) => {
    const { sample } = await transformer.forward(inputs.take("hidden_states"), inputs.take<"float32">("timestep"), {
      ...fluxTokens(inputs),
      attentionMask: inputs.find("attention_mask"),
    });
    return { out: sample };
  }),
  SD3Transformer2DModel: runner(SD3Transformer2DModel, async (transformer, inputs) => {
    const { sample } = await transformer.forward(inputs.take("hidden_states"), inputs.take<"float32">("timestep"), {
      encoderHiddenStates: inputs.take("encoder_hidden_states"),
      pooledProjections: inputs.take("pooled_projections"),
      skipLayers: inputs.meta.skip_layers ?? undefined,
    });
    return { out: sample };
  }),
  AutoencoderTiny: runner(AutoencoderTiny, async (vae, inputs) => {
    const [image, latents] = [inputs.find("image"), inputs.find("latents")];
    return {
      encoded: image && (await vae.encode(image)).latents,
      decoded: latents && (await vae.decode(latents)).sample,
    };
  }),
};

/** One forward pass of one network. */
export async function compareModel(
  { meta, tensors }: ParityCase,
  { checkpoints, ...options }: { checkpoints: string } & ModelOptions,
): Promise<Comparison[]> {
  const { checkpoint, part, variant } = meta as unknown as ModelMeta;
  const folder = openFolder(join(checkpoints, checkpoint, part ?? ""));
  const className = classOf(await readConfig(folder, "config.json"));
  const run = Object.hasOwn(MODELS, className) ? MODELS[className] : undefined;
  if (!run) throw new NotSupported(className);
  const expected = tensors();
  const inputs = new Inputs(meta as unknown as ModelMeta, expected);
  const path = join(checkpoints, checkpoint);
  const from = { ...options, subfolder: part ?? undefined, variant: variant ?? undefined };
  const outputs = await (meta.motion_adapter ? runWithMotion(path, from, inputs) : run(path, from, inputs));
  return inputs.outputs.map((name) => {
    const [own, python] = [outputs[name], expected[name]];
    if (!own || !python) throw new Error(`${className} has neither an input nor an output ${name}`);
    return withinAbsolute(name, own, python, TOLERANCE);
  });
}

/** One forward pass of a network that is opened from `source`, a folder or a single file's. `out_diffusers` and such are not outputs. */
export async function runModel(
  className: string,
  source: string | Folder,
  { meta, tensors }: ParityCase,
  options: ModelOptions,
): Promise<Comparison[]> {
  const run = Object.hasOwn(MODELS, className) ? MODELS[className] : undefined;
  if (!run) throw new NotSupported(className);
  const expected = tensors();
  const inputs = new Inputs(meta as unknown as ModelMeta, expected);
  const outputs = await run(source, options, inputs);
  return inputs.outputs.flatMap((name) => {
    const [own, python] = [outputs[name], expected[name]];
    return own && python ? [withinAbsolute(name, own, python, TOLERANCE)] : [];
  });
}

/** The class that a model's config names, diffusers' way or transformers'. @throws Error if it names none. */
export function classOf({ _className: className, architectures }: JsonObject): string {
  const name = className ?? (Array.isArray(architectures) ? architectures[0] : undefined);
  if (typeof name !== "string") throw new Error("the config names no class");
  return name;
}

/** What an autoencoder makes of pictures and of latents. */
async function codeWith(vae: AutoencoderKL | AutoencoderKLFlux2, inputs: Inputs): Promise<Outputs> {
  const [image, latents] = [inputs.find("image"), inputs.find("latents")];
  const distribution = image && (await vae.encode(image)).latentDist;
  return {
    mean: distribution?.mean,
    logvar: distribution?.logvar,
    sampled: distribution?.sample(new Generator(parseSeed(inputs.meta.sample_seed ?? 0))),
    decoded: latents && (await vae.decode(latents)).sample,
  };
}

/** A UNet with motion modules. */
async function runWithMotion(path: string, options: ModelOptions, inputs: Inputs): Promise<Outputs> {
  await using unet = await UNet2DConditionModel.fromPretrained(path, options);
  const { subfolder: _, ...others } = options;
  await using adapter = await MotionAdapter.fromPretrained(join(path, "..", inputs.meta.motion_adapter ?? ""), others);
  await using motion = UNetMotionModel.fromUNet2D(unet, adapter);
  const { sample } = await motion.forward(inputs.take("sample"), inputs.timestep, {
    encoderHiddenStates: inputs.take("encoder_hidden_states"),
  });
  return { out: sample };
}

type Runner = (path: string | Folder, options: ModelOptions, inputs: Inputs) => Promise<Outputs>;

function runner<Model extends AsyncDisposable>(
  model: { fromPretrained(path: string | Folder, options: ModelOptions): Promise<Model> },
  run: (model: Model, inputs: Inputs, path: string) => Promise<Outputs>,
): Runner {
  return async (path, options, inputs) => {
    await using opened = await model.fromPretrained(path, options);
    return await run(opened, inputs, typeof path === "string" ? path : path.name);
  };
}

async function encodeText(model: CLIPTextModel, inputs: Inputs): Promise<Outputs> {
  const clipSkip = inputs.meta.clip_skip ?? undefined;
  const output = await model.forward(inputs.take<"int64">("input_ids"), { outputHiddenStates: true, clipSkip });
  return {
    last_hidden_state: output.lastHiddenState,
    pooler_output: output.poolerOutput,
    penultimate: output.hiddenStates?.at(-2),
    text_embeds: "textEmbeds" in output ? (output.textEmbeds as Tensor) : undefined,
  };
}

/** Every `step`th token of x [batch, tokens, features]. */
export function everyToken(x: Tensor, step: number): Tensor {
  if (step === 1) return x;
  const { data, shape } = x;
  const [batch = 0, tokens = 0, width = 0] = shape;
  const count = Math.ceil(tokens / step);
  const kept = Float32Array.from({ length: batch * count * width }, (_, i) => {
    const [row, token] = [Math.floor(i / (count * width)), Math.floor(i / width) % count];
    return data[(row * tokens + token * step) * width + (i % width)] as number;
  });
  return Tensor.from(kept, [batch, count, width]);
}

async function encodeByLayer(model: LanguageModel<unknown>, inputs: Inputs): Promise<Outputs> {
  const [ids, attentionMask] = [inputs.take<"int64">("input_ids"), inputs.find<"int64">("attention_mask")];
  const layers = inputs.meta.layers ?? [];
  const { lastHiddenState } = await model.forward(ids, { attentionMask });
  const states = layers.length === 0 ? [] : await model.hiddenStates(ids, layers, { attentionMask });
  const { numHiddenLayers } = model.config as { readonly numHiddenLayers: number };
  const [penultimate] = await model.hiddenStates(ids, [numHiddenLayers - 1], { attentionMask });
  return {
    last_hidden_state: lastHiddenState,
    penultimate,
    ...Object.fromEntries(states.map((state, i) => [`hidden_states.${layers[i]}`, state])),
  };
}

/** A text with a picture, whose tokens have the positions of their rows and columns. */
async function encodePictures(model: Qwen2_5_VLForConditionalGeneration, inputs: Inputs, path: string): Promise<Outputs> {
  const [ids, grid] = [inputs.take<"int64">("input_ids"), inputs.take<"int64">("image_grid_thw")];
  const { data, shape } = inputs.take<"uint8">("image");
  const processor = await Qwen2VLImageProcessor.fromPretrained(path, { subfolder: "processor" });
  const { pixelValues, imageGridThw } = processor.preprocess(new Picture(shape[1] ?? 0, shape[0] ?? 0, data));
  if (String(imageGridThw.data) !== String(grid.data)) throw new Error(`image_grid_thw is ${imageGridThw.data}; expected ${grid.data}`);
  const mmTokenTypeIds = new Tensor(
    "int64",
    ids.shape,
    ids.data.map((id) => BigInt(id === BigInt(model.config.imageTokenId))),
  );
  const { lastHiddenState } = await model.forward(ids, { pixelValues, imageGridThw, mmTokenTypeIds });
  return { pixel_values: pixelValues, last_hidden_state: lastHiddenState };
}

/** The inputs of Stable Diffusion XL's networks besides the prompt. */
function addedCondition(inputs: Inputs): { addedCond?: { textEmbeds: Tensor; timeIds: Tensor } } {
  const [textEmbeds, timeIds] = [inputs.find("text_embeds"), inputs.find("time_ids")];
  return textEmbeds && timeIds ? { addedCond: { textEmbeds, timeIds } } : {};
}
