// Never run: `tsc` alone judges the public types of the networks. Each table needs an entry for every exported network that has a
// constructor.

import type * as darkroom from "../../src/index.js";
import type {
  Autoencoder,
  AutoencoderKL,
  AutoencoderKLConfig,
  AutoencoderTiny,
  CLIPTextConfig,
  CLIPTextModel,
  CLIPTextModelWithProjection,
  ControlNetModel,
  ControlNetOutput,
  Generator,
  Model,
  MultiControlNetModel,
  SafetyCheck,
  StableDiffusionSafetyChecker,
  Tensor,
  UNet2DConditionModel,
  UNet2DConditionOutput,
  UNet2DModel,
} from "../../src/index.js";
import type { ClassesOf, Equal } from "./equal.js";

type Exports = typeof darkroom;
type Names =
  | ClassesOf<Exports, "Model">
  | ClassesOf<Exports, "WithProjection">
  | ClassesOf<Exports, "SafetyChecker">
  | "Qwen2_5_VLForConditionalGeneration"
  | ("AutoencoderKL" | "AsymmetricAutoencoderKL" | "AutoencoderKLFlux2" | "AutoencoderKLQwenImage" | "AutoencoderTiny" | "T2IAdapter");
type Instance<Name extends Names> = InstanceType<Exports[Name]>;

declare const tensor: Tensor;
declare const ids: Tensor<"int64">;
declare const vae: AutoencoderKL;
declare const tiny: AutoencoderTiny;
declare const text: CLIPTextModel;
declare const projected: CLIPTextModelWithProjection;
declare const qwen: darkroom.Qwen3Model;
declare const unet: UNet2DConditionModel;
declare const unconditional: UNet2DModel;
declare const controlnet: ControlNetModel;
declare const several: MultiControlNetModel;
declare const checker: StableDiffusionSafetyChecker;

/** The result of each network's call. */
interface Results {
  AutoencoderKL: { sample: Tensor };
  AsymmetricAutoencoderKL: { sample: Tensor };
  AutoencoderKLQwenImage: { sample: Tensor };
  AutoencoderTiny: { sample: Tensor };
  ChromaTransformer2DModel: darkroom.TransformerOutput;
  CLIPTextModel: darkroom.CLIPTextOutput;
  CLIPTextModelWithProjection: darkroom.CLIPTextOutput & { readonly textEmbeds: Tensor };
  CLIPVisionModel: darkroom.CLIPVisionOutput;
  CLIPVisionModelWithProjection: darkroom.CLIPVisionModelOutput;
  ControlNetModel: ControlNetOutput;
  ControlNetUnionModel: ControlNetOutput;
  QwenImageTransformer2DModel: { sample: Tensor };
  Qwen2_5_VLForConditionalGeneration: darkroom.LanguageModelOutput;
  Qwen3Model: darkroom.LanguageModelOutput;
  FluxTransformer2DModel: darkroom.TransformerOutput;
  SD3Transformer2DModel: darkroom.TransformerOutput;
  StableDiffusionSafetyChecker: SafetyCheck;
  T2IAdapter: Tensor[];
  T5EncoderModel: darkroom.T5EncoderOutput;
  UNet2DConditionModel: UNet2DConditionOutput;
  UNet2DModel: { sample: Tensor };
  UNetMotionModel: UNet2DConditionOutput;
  AutoencoderKLFlux2: { sample: Tensor };
  Flux2Transformer2DModel: { sample: Tensor };
  ZImageTransformer2DModel: { sample: Tensor };
}
type ResultOf<Name extends Names> =
  Instance<Name> extends { forward(...args: never): Promise<infer Result> }
    ? Result
    : Instance<Name> extends { decode(...args: never): Promise<infer Result> }
      ? Result
      : never;
true satisfies Equal<keyof Results, Names>;
true satisfies Equal<{ [Name in Names]: Equal<ResultOf<Name>, Results[Name]> }, { [Name in Names]: true }>;

/** Every network is opened from a checkpoint, and has a readonly config and a way to free its memory. */
type Opens<Name extends Names> = Exports[Name] extends { fromPretrained(source: string, options?: object): Promise<Instance<Name>> }
  ? Instance<Name> extends { dispose(): Promise<void> }
    ? true
    : false
  : false;
true satisfies Equal<{ [Name in Names]: Opens<Name> }, { [Name in Names]: true }>;

/** Autoencoders. */
export async function autoencoders() {
  vae satisfies Autoencoder;
  tiny satisfies Autoencoder;
  vae satisfies Model<AutoencoderKLConfig>;
  (await vae.encode(tensor)).latentDist.mean satisfies Tensor;
  (await tiny.encode(tensor)).latents satisfies Tensor;
  (await vae.decode(tensor)).sample satisfies Tensor;
  vae.config.scalingFactor satisfies number;
  vae.memory.slicing satisfies boolean;
  // @ts-expect-error: the small autoencoder has no distribution
  (await tiny.encode(tensor)).latentDist;
  // @ts-expect-error: pictures are float32
  void vae.encode(ids);
  // @ts-expect-error: the config is what the checkpoint says
  vae.config.scalingFactor = 1;
}

/** Text encoders. */
export async function textEncoders() {
  (await text.forward(ids, { outputHiddenStates: true })).hiddenStates satisfies readonly Tensor[] | undefined;
  (await projected.forward(ids)).textEmbeds satisfies Tensor;
  text.config satisfies CLIPTextConfig;
  (await qwen.forward(ids, { attentionMask: ids })).lastHiddenState satisfies Tensor;
  (await qwen.hiddenStates(ids, [9, 18, 27])) satisfies readonly Tensor[];
  // @ts-expect-error: a mask is int64
  void qwen.forward(ids, { attentionMask: tensor });
  // @ts-expect-error: token ids are int64
  void text.forward(tensor);
  // @ts-expect-error: there is no such option
  void text.forward(ids, { attentionMask: ids });
  // @ts-expect-error: only the model with a projection has text embeddings
  (await text.forward(ids)).textEmbeds;
}

/** Networks that denoise. */
export async function denoisers(generator: Generator) {
  (await unet.forward(tensor, 999, { encoderHiddenStates: tensor })).sample satisfies Tensor;
  (await unet.forward(tensor, tensor, { encoderHiddenStates: tensor })).sample satisfies Tensor;
  (await unconditional.forward(tensor, 999)).sample satisfies Tensor;
  unet.config.inChannels satisfies number;
  // @ts-expect-error: a UNet with text needs its features
  void unet.forward(tensor, 999, {});
  // @ts-expect-error: the unconditional one has none
  void unconditional.forward(tensor, 999, { encoderHiddenStates: tensor });
  // @ts-expect-error: a network draws nothing
  void unet.forward(tensor, 999, { encoderHiddenStates: tensor, generator });
  // @ts-expect-error: latents are float32
  void unet.forward(ids, 999, { encoderHiddenStates: tensor });
}

/** Transformers. */
export async function transformers(zImage: darkroom.ZImageTransformer2DModel, flux2: darkroom.Flux2Transformer2DModel) {
  const positions = { imgIds: [[0, 0, 0, 0]], txtIds: tensor };
  (await flux2.forward(tensor, 0.5, { encoderHiddenStates: tensor, ...positions })).sample satisfies Tensor;
  // @ts-expect-error: tokens have positions
  void flux2.forward(tensor, 0.5, { encoderHiddenStates: tensor });
  (await zImage.forward(tensor, 0.5, { capFeats: [tensor] })).sample satisfies Tensor;
  zImage.config.capFeatDim satisfies number;
  // @ts-expect-error: each picture has features of its own text
  void zImage.forward(tensor, 0.5, { capFeats: tensor });
}

/** ControlNets, alone and together. */
export async function controlNets() {
  const one = await controlnet.forward(tensor, 999, { encoderHiddenStates: tensor, controlnetCond: tensor, conditioningScale: 0.5 });
  one.downBlockResSamples satisfies readonly Tensor[];
  one.midBlockResSample satisfies Tensor;
  several.nets satisfies readonly ControlNetModel[];
  // @ts-expect-error: a ControlNet needs its picture
  void controlnet.forward(tensor, 999, { encoderHiddenStates: tensor });
}

/** The safety checker. */
export async function safety() {
  (await checker.forward(tensor)).hasNsfwConcepts satisfies readonly boolean[];
  // @ts-expect-error: pictures are float32
  void checker.forward(ids);
}
