// Never run: `tsc` alone judges the public types of the pipelines. Each table needs an entry for every exported pipeline.

import type {
  Autoencoder,
  AutoencoderTiny,
  CLIPTextModel,
  CLIPTextModelWithProjection,
  CLIPTokenizer,
  ControlNetModel,
  ControlNetUnionModel,
  DDIMPipeline,
  DDPMPipeline,
  Flux2Transformer2DModel,
  Generator,
  LatentConsistencyModelPipeline,
  MultiControlNetModel,
  Picture,
  QwenImageTransformer2DModel,
  Scheduler,
  StableDiffusionAdapterPipeline,
  StableDiffusionControlNetPipeline,
  StableDiffusionImg2ImgPipeline,
  StableDiffusionInpaintPipeline,
  StableDiffusionInstructPix2PixPipeline,
  StableDiffusionPipeline,
  StableDiffusionXLAdapterPipeline,
  StableDiffusionXLControlNetUnionInpaintPipeline,
  StableDiffusionXLControlNetUnionPipeline,
  StableDiffusionXLImg2ImgPipeline,
  StableDiffusionXLInpaintPipeline,
  StableDiffusionXLPipeline,
  Tensor,
  UNet2DConditionModel,
  UNet2DModel,
  ZImageTransformer2DModel,
} from "../../src/index.js";
import * as darkroom from "../../src/index.js";
import type { ClassesOf, Equal } from "./equal.js";

type Exports = typeof darkroom;
type Names = Exclude<ClassesOf<Exports, "Pipeline">, "DiffusionPipeline">;
type Instance<Name extends Names> = InstanceType<Exports[Name]>;

declare const animateDiff: darkroom.AnimateDiffPipeline;
declare const sd: StableDiffusionPipeline;
declare const img2img: StableDiffusionImg2ImgPipeline;
declare const edit: StableDiffusionInstructPix2PixPipeline;
declare const inpaint: StableDiffusionInpaintPipeline;
declare const control: StableDiffusionControlNetPipeline;
declare const adapter: StableDiffusionAdapterPipeline;
declare const xlUnion: StableDiffusionXLControlNetUnionPipeline;
declare const xlAdapter: StableDiffusionXLAdapterPipeline;
declare const xl: StableDiffusionXLPipeline;
declare const xlImg2img: StableDiffusionXLImg2ImgPipeline;
declare const xlInpaint: StableDiffusionXLInpaintPipeline;
declare const ddpm: DDPMPipeline;
declare const ddim: DDIMPipeline;
declare const picture: Picture;
declare const tensor: Tensor;
declare const generator: Generator;
declare const tiny: AutoencoderTiny;
declare const net: ControlNetModel;
declare const union: ControlNetUnionModel;

type UNet = { unet: UNet2DConditionModel };
type Unconditional = { unet: UNet2DModel };
type Chroma = { transformer: darkroom.ChromaTransformer2DModel };
type Flux = { transformer: darkroom.FluxTransformer2DModel };
type SD3 = { transformer: darkroom.SD3Transformer2DModel };
type QwenImage = { transformer: QwenImageTransformer2DModel };
type ZImage = { transformer: ZImageTransformer2DModel };

/** The type of each pipeline's network. */
interface Parts {
  ConsistencyModelPipeline: Unconditional;
  AnimateDiffPipeline: UNet;
  AnimateDiffVideoToVideoPipeline: UNet;
  DDIMPipeline: Unconditional;
  DDPMPipeline: Unconditional;
  LatentConsistencyModelImg2ImgPipeline: UNet;
  LatentConsistencyModelPipeline: UNet;
  ScoreSdeVePipeline: Unconditional;
  StableDiffusionControlNetImg2ImgPipeline: UNet;
  StableDiffusionControlNetInpaintPipeline: UNet;
  StableDiffusionXLControlNetImg2ImgPipeline: UNet;
  StableDiffusionXLControlNetInpaintPipeline: UNet;
  StableDiffusionXLControlNetPipeline: UNet;
  StableDiffusionAdapterPipeline: UNet;
  StableDiffusionXLAdapterPipeline: UNet;
  StableDiffusionXLControlNetUnionImg2ImgPipeline: UNet;
  StableDiffusionXLControlNetUnionInpaintPipeline: UNet;
  StableDiffusionXLControlNetUnionPipeline: UNet;
  StableDiffusionControlNetPipeline: UNet;
  StableDiffusionImg2ImgPipeline: UNet;
  StableDiffusionInpaintPipeline: UNet;
  StableDiffusionInstructPix2PixPipeline: UNet;
  StableDiffusionUpscalePipeline: UNet;
  StableDiffusionLatentUpscalePipeline: UNet;
  StableDiffusionDepth2ImgPipeline: UNet;
  StableDiffusionXLInstructPix2PixPipeline: UNet;
  StableDiffusionPipeline: UNet;
  StableDiffusionXLImg2ImgPipeline: UNet;
  StableDiffusionXLInpaintPipeline: UNet;
  StableDiffusionXLPipeline: UNet;
  StableDiffusionPAGPipeline: UNet;
  StableDiffusionPAGImg2ImgPipeline: UNet;
  StableDiffusionPAGInpaintPipeline: UNet;
  StableDiffusionControlNetPAGPipeline: UNet;
  StableDiffusionControlNetPAGInpaintPipeline: UNet;
  StableDiffusionXLPAGPipeline: UNet;
  StableDiffusionXLPAGImg2ImgPipeline: UNet;
  StableDiffusionXLPAGInpaintPipeline: UNet;
  StableDiffusionXLControlNetPAGPipeline: UNet;
  StableDiffusionXLControlNetPAGImg2ImgPipeline: UNet;
  Flux2KleinPipeline: { transformer: Flux2Transformer2DModel };
  ChromaPipeline: Chroma;
  ChromaImg2ImgPipeline: Chroma;
  FluxPipeline: Flux;
  FluxImg2ImgPipeline: Flux;
  FluxInpaintPipeline: Flux;
  FluxFillPipeline: Flux;
  FluxKontextPipeline: Flux;
  StableDiffusion3Pipeline: SD3;
  StableDiffusion3Img2ImgPipeline: SD3;
  StableDiffusion3InpaintPipeline: SD3;
  QwenImagePipeline: QwenImage;
  QwenImageEditPlusPipeline: QwenImage;
  QwenImageImg2ImgPipeline: QwenImage;
  ZImagePipeline: ZImage;
  ZImageImg2ImgPipeline: ZImage;
}
type NetworkOf<Pipeline> = Pipeline extends { unet: infer Net }
  ? { unet: Net }
  : Pipeline extends { transformer: infer Net }
    ? { transformer: Net }
    : never;
true satisfies Equal<{ [Name in Names]: NetworkOf<Instance<Name>> }, Parts>;

/** Every pipeline is opened from a checkpoint as itself. */
export const opened = {
  AnimateDiffPipeline: darkroom.AnimateDiffPipeline.fromPretrained("folder"),
  AnimateDiffVideoToVideoPipeline: darkroom.AnimateDiffVideoToVideoPipeline.fromPretrained("folder"),
  ConsistencyModelPipeline: darkroom.ConsistencyModelPipeline.fromPretrained("folder"),
  DDIMPipeline: darkroom.DDIMPipeline.fromPretrained("folder"),
  DDPMPipeline: darkroom.DDPMPipeline.fromPretrained("folder"),
  LatentConsistencyModelImg2ImgPipeline: darkroom.LatentConsistencyModelImg2ImgPipeline.fromPretrained("folder"),
  LatentConsistencyModelPipeline: darkroom.LatentConsistencyModelPipeline.fromPretrained("folder"),
  ScoreSdeVePipeline: darkroom.ScoreSdeVePipeline.fromPretrained("folder"),
  StableDiffusionControlNetImg2ImgPipeline: darkroom.StableDiffusionControlNetImg2ImgPipeline.fromPretrained("folder"),
  StableDiffusionControlNetInpaintPipeline: darkroom.StableDiffusionControlNetInpaintPipeline.fromPretrained("folder"),
  StableDiffusionXLControlNetImg2ImgPipeline: darkroom.StableDiffusionXLControlNetImg2ImgPipeline.fromPretrained("folder"),
  StableDiffusionXLControlNetInpaintPipeline: darkroom.StableDiffusionXLControlNetInpaintPipeline.fromPretrained("folder"),
  StableDiffusionXLControlNetPipeline: darkroom.StableDiffusionXLControlNetPipeline.fromPretrained("folder"),
  StableDiffusionAdapterPipeline: darkroom.StableDiffusionAdapterPipeline.fromPretrained("folder"),
  StableDiffusionXLAdapterPipeline: darkroom.StableDiffusionXLAdapterPipeline.fromPretrained("folder"),
  StableDiffusionXLControlNetUnionImg2ImgPipeline: darkroom.StableDiffusionXLControlNetUnionImg2ImgPipeline.fromPretrained("folder"),
  StableDiffusionXLControlNetUnionInpaintPipeline: darkroom.StableDiffusionXLControlNetUnionInpaintPipeline.fromPretrained("folder"),
  StableDiffusionXLControlNetUnionPipeline: darkroom.StableDiffusionXLControlNetUnionPipeline.fromPretrained("folder"),
  StableDiffusionControlNetPipeline: darkroom.StableDiffusionControlNetPipeline.fromPretrained("folder"),
  StableDiffusionImg2ImgPipeline: darkroom.StableDiffusionImg2ImgPipeline.fromPretrained("folder"),
  StableDiffusionDepth2ImgPipeline: darkroom.StableDiffusionDepth2ImgPipeline.fromPretrained("folder"),
  StableDiffusionLatentUpscalePipeline: darkroom.StableDiffusionLatentUpscalePipeline.fromPretrained("folder"),
  StableDiffusionUpscalePipeline: darkroom.StableDiffusionUpscalePipeline.fromPretrained("folder"),
  StableDiffusionInstructPix2PixPipeline: darkroom.StableDiffusionInstructPix2PixPipeline.fromPretrained("folder"),
  StableDiffusionXLInstructPix2PixPipeline: darkroom.StableDiffusionXLInstructPix2PixPipeline.fromPretrained("folder"),
  StableDiffusionInpaintPipeline: darkroom.StableDiffusionInpaintPipeline.fromPretrained("folder"),
  StableDiffusionPipeline: darkroom.StableDiffusionPipeline.fromPretrained("folder"),
  StableDiffusionXLImg2ImgPipeline: darkroom.StableDiffusionXLImg2ImgPipeline.fromPretrained("folder"),
  StableDiffusionXLInpaintPipeline: darkroom.StableDiffusionXLInpaintPipeline.fromPretrained("folder"),
  StableDiffusionXLPipeline: darkroom.StableDiffusionXLPipeline.fromPretrained("folder"),
  StableDiffusionPAGPipeline: darkroom.StableDiffusionPAGPipeline.fromPretrained("folder"),
  StableDiffusionPAGImg2ImgPipeline: darkroom.StableDiffusionPAGImg2ImgPipeline.fromPretrained("folder"),
  StableDiffusionPAGInpaintPipeline: darkroom.StableDiffusionPAGInpaintPipeline.fromPretrained("folder"),
  StableDiffusionControlNetPAGPipeline: darkroom.StableDiffusionControlNetPAGPipeline.fromPretrained("folder"),
  StableDiffusionControlNetPAGInpaintPipeline: darkroom.StableDiffusionControlNetPAGInpaintPipeline.fromPretrained("folder"),
  StableDiffusionXLPAGPipeline: darkroom.StableDiffusionXLPAGPipeline.fromPretrained("folder"),
  StableDiffusionXLPAGImg2ImgPipeline: darkroom.StableDiffusionXLPAGImg2ImgPipeline.fromPretrained("folder"),
  StableDiffusionXLPAGInpaintPipeline: darkroom.StableDiffusionXLPAGInpaintPipeline.fromPretrained("folder"),
  StableDiffusionXLControlNetPAGPipeline: darkroom.StableDiffusionXLControlNetPAGPipeline.fromPretrained("folder"),
  StableDiffusionXLControlNetPAGImg2ImgPipeline: darkroom.StableDiffusionXLControlNetPAGImg2ImgPipeline.fromPretrained("folder"),
  Flux2KleinPipeline: darkroom.Flux2KleinPipeline.fromPretrained("folder"),
  ChromaPipeline: darkroom.ChromaPipeline.fromPretrained("folder"),
  ChromaImg2ImgPipeline: darkroom.ChromaImg2ImgPipeline.fromPretrained("folder"),
  FluxPipeline: darkroom.FluxPipeline.fromPretrained("folder"),
  FluxImg2ImgPipeline: darkroom.FluxImg2ImgPipeline.fromPretrained("folder"),
  FluxInpaintPipeline: darkroom.FluxInpaintPipeline.fromPretrained("folder"),
  FluxFillPipeline: darkroom.FluxFillPipeline.fromPretrained("folder"),
  FluxKontextPipeline: darkroom.FluxKontextPipeline.fromPretrained("folder"),
  StableDiffusion3Pipeline: darkroom.StableDiffusion3Pipeline.fromPretrained("folder"),
  StableDiffusion3Img2ImgPipeline: darkroom.StableDiffusion3Img2ImgPipeline.fromPretrained("folder"),
  StableDiffusion3InpaintPipeline: darkroom.StableDiffusion3InpaintPipeline.fromPretrained("folder"),
  QwenImagePipeline: darkroom.QwenImagePipeline.fromPretrained("folder"),
  QwenImageEditPlusPipeline: darkroom.QwenImageEditPlusPipeline.fromPretrained("folder"),
  QwenImageImg2ImgPipeline: darkroom.QwenImageImg2ImgPipeline.fromPretrained("folder"),
  ZImagePipeline: darkroom.ZImagePipeline.fromPretrained("folder"),
  ZImageImg2ImgPipeline: darkroom.ZImageImg2ImgPipeline.fromPretrained("folder"),
} satisfies { [Name in Names]: Promise<Instance<Name>> };

/** From text. */
export async function fromText() {
  (await sd.generate({ prompt: "a fox" })).images satisfies Picture[];
  (await xl.generate({ prompt: "a fox", prompt2: "a den", outputType: "tensor" })).images satisfies Tensor;
  (await xl.generate({ prompt: "a fox", originalSize: [1024, 1024] })).seeds satisfies readonly bigint[];
  sd.textEncoder satisfies CLIPTextModel;
  xl.textEncoder2 satisfies CLIPTextModelWithProjection | undefined;
  sd.tokenizer satisfies CLIPTokenizer;
  sd.scheduler satisfies Scheduler;
  sd.vae = tiny;
  sd.vae satisfies Autoencoder;
  // @ts-expect-error: Stable Diffusion 1 and 2 have one text encoder
  void sd.generate({ prompt: "a fox", prompt2: "a den" });
  // @ts-expect-error: without a picture there is no strength
  void sd.generate({ prompt: "a fox", strength: 0.5 });
  // @ts-expect-error: sizes are numbers
  void xl.generate({ prompt: "a fox", width: "1024" });
  // @ts-expect-error: a prompt or embeddings are needed
  void xl.generate({ numInferenceSteps: 20 });
}

/** With a transformer. */
export async function withTransformers(zImage: darkroom.ZImagePipeline, again: darkroom.ZImageImg2ImgPipeline) {
  (await zImage.generate({ prompt: "a fox", guidanceScale: 0, cfgTruncation: 0.5, cfgNormalization: true })).images satisfies Picture[];
  (await zImage.generate({ promptEmbeds: [tensor, tensor], outputType: "latent" })).images satisfies Tensor;
  (await zImage.encodePrompt({ prompt: "a fox" })).promptEmbeds satisfies readonly Tensor[];
  (await again.generate({ prompt: "a fox", image: picture, strength: 0.5, width: 512 })).images satisfies Picture[];
  // @ts-expect-error: there is no second prompt
  void zImage.generate({ prompt: "a fox", prompt2: "a den" });
  // @ts-expect-error: the picture is needed
  void again.generate({ prompt: "a fox" });
}

/** FLUX.1, Chroma and Stable Diffusion 3. */
export async function withTextEncoders(
  flux: darkroom.FluxPipeline,
  fill: darkroom.FluxFillPipeline,
  kontext: darkroom.FluxKontextPipeline,
  chroma: darkroom.ChromaPipeline,
  sd3: darkroom.StableDiffusion3Pipeline,
) {
  (await flux.generate({ prompt: "a fox", prompt2: "a den", negativePrompt: "rain", trueCfgScale: 2 })).images satisfies Picture[];
  (await flux.encodePrompt({ prompt: "a fox" })).pooledPromptEmbeds satisfies Tensor;
  (await fill.generate({ prompt: "a fox", image: picture, maskImage: picture })).images satisfies Picture[];
  (await kontext.generate({ prompt: "make it winter", image: picture, maxArea: 512 * 512, autoResize: false })).images satisfies Picture[];
  (await kontext.generate({ prompt: "a fox" })).images satisfies Picture[];
  (await chroma.generate({ promptEmbeds: tensor, promptAttentionMask: tensor, outputType: "latent" })).images satisfies Tensor;
  (await sd3.generate({ prompt: "a fox", prompt3: "a den", skipGuidanceLayers: [7, 8, 9] })).images satisfies Picture[];
  sd3.textEncoder3 satisfies darkroom.T5EncoderModel | null;
  // @ts-expect-error: FLUX.1 has two text encoders
  void flux.generate({ prompt: "a fox", prompt3: "a den" });
  // @ts-expect-error: the guidance that the transformer takes is one number
  void flux.generate({ prompt: "a fox", guidanceScale: [3, 4] });
  // @ts-expect-error: Fill has no guidance by negative prompts
  void fill.generate({ prompt: "a fox", image: picture, maskImage: picture, trueCfgScale: 2 });
  // @ts-expect-error: Chroma has one text encoder
  void chroma.generate({ prompt: "a fox", prompt2: "a den" });
}

/** Videos. */
export async function videos() {
  (await animateDiff.generate({ prompt: "a fox", numFrames: 8 })).frames satisfies Picture[][];
  (await animateDiff.generate({ prompt: "a fox", outputType: "tensor" })).frames satisfies Tensor;
  // @ts-expect-error: one video is made for each prompt
  void animateDiff.generate({ prompt: "a fox", numImagesPerPrompt: 2 });
}

/** From pictures. */
export async function fromPictures() {
  (await img2img.generate({ prompt: "a fox", image: picture, strength: 0.5 })).images satisfies Picture[];
  (await img2img.generate({ prompt: "a fox", image: "fox.png" })).images satisfies Picture[];
  (await xlImg2img.generate({ prompt: "a fox", image: [picture, tensor], aestheticScore: 6 })).images satisfies Picture[];
  (await inpaint.generate({ prompt: "a fox", image: picture, maskImage: picture, paddingMaskCrop: 32 })).images satisfies Picture[];
  (await xlInpaint.generate({ prompt: "a fox", image: picture, maskImage: picture })).images satisfies Picture[];
  (await edit.generate({ prompt: "make it winter", image: picture, imageGuidanceScale: 1.2 })).images satisfies Picture[];
  // @ts-expect-error: the picture's own size counts
  void edit.generate({ prompt: "make it winter", image: picture, width: 512 });
  // @ts-expect-error: the picture is needed
  void img2img.generate({ prompt: "a fox" });
  // @ts-expect-error: the mask is needed
  void inpaint.generate({ prompt: "a fox", image: picture });
  // @ts-expect-error: the mask is needed in XL, too
  void xlInpaint.generate({ prompt: "a fox", image: picture });
  // @ts-expect-error: the picture's own size counts
  void img2img.generate({ prompt: "a fox", image: picture, width: 512 });
  // @ts-expect-error: strength is a number
  void xlImg2img.generate({ prompt: "a fox", image: picture, strength: "half" });
}

/** Under control. */
export async function underControl() {
  control.controlnet satisfies ControlNetModel | MultiControlNetModel | readonly ControlNetModel[];
  (await control.generate({ prompt: "a fox", image: picture, controlGuidanceEnd: 0.5 })).images satisfies Picture[];
  (await control.generate({ prompt: "a fox", image: [picture, picture], controlnetConditioningScale: [1, 0.5] }))
    .images satisfies Picture[];
  // @ts-expect-error: the controlling picture is needed
  void control.generate({ prompt: "a fox" });
  // @ts-expect-error: only this pipeline has ControlNets
  sd.controlnet;
}

/** The parts of a pipeline make another one of its kind, control and all. */
export function fromComponents() {
  new darkroom.StableDiffusionXLControlNetUnionPipeline(xlUnion.components) satisfies StableDiffusionXLControlNetUnionPipeline;
  new darkroom.StableDiffusionXLAdapterPipeline(xlAdapter.components) satisfies StableDiffusionXLAdapterPipeline;
  new darkroom.StableDiffusionAdapterPipeline(adapter.components) satisfies StableDiffusionAdapterPipeline;
}

/** By the task. */
export async function byTask() {
  const { AutoPipelineForImage2Image: image, AutoPipelineForInpainting: mask, AutoPipelineForText2Image: text } = darkroom;
  const plain = await text.fromPretrained("folder", { scheduler: "euler", lowMemory: true });
  plain satisfies StableDiffusionPipeline | StableDiffusionXLPipeline | LatentConsistencyModelPipeline;
  (await plain.generate({ prompt: "a fox" })).images satisfies Picture[];
  const controlled = await image.fromPipe(plain, { controlnet: [net, net] });
  (await controlled.generate({ prompt: "a fox", image: picture, controlImage: [picture, picture], strength: 0.5 }))
    .images satisfies Picture[];
  const kept = await mask.fromPipe(control, { scheduler: "euler" });
  (await kept.generate({ prompt: "a fox", image: picture, maskImage: picture, controlImage: picture })).images satisfies Picture[];
  (await mask.fromPipe(kept, { controlnet: null })) satisfies StableDiffusionInpaintPipeline | StableDiffusionXLInpaintPipeline;
  (await mask.fromPipe(xlUnion)) satisfies StableDiffusionXLControlNetUnionInpaintPipeline;
  (await text.fromPretrained("folder", { controlnet: union })) satisfies StableDiffusionXLControlNetUnionPipeline;
  (await text.fromPretrained("folder", { controlnet: net, safetyChecker: null })).controlnet satisfies object;
  // @ts-expect-error: an option that there is not
  void text.fromPretrained("folder", { lowMemoy: true });
  // @ts-expect-error: a UNet is no ControlNet
  void text.fromPretrained("folder", { controlnet: sd.unet });
  // @ts-expect-error: without ControlNets there is no controlling picture
  void plain.generate({ prompt: "a fox", image: picture });
  // @ts-expect-error: a pipeline is needed
  void text.fromPipe("folder");
}

/** In other kinds of output. */
export async function outputs() {
  (await sd.generate({ prompt: "a fox", outputType: "np" })).images satisfies Tensor<"float32">;
  (await sd.generate({ prompt: "a fox", outputType: "uint8" })).images satisfies Tensor<"uint8">;
  (await xl.generate({ prompt: "a fox", outputType: "uint8" })).images.data satisfies Uint8Array;
  (await ddpm.generate({ outputType: "np" })).images satisfies Tensor;
  const kind = "uint8" as "uint8" | "image";
  (await ddim.generate({ outputType: kind })).images satisfies Tensor<"uint8"> | Picture[];
  // @ts-expect-error: diffusers' "pil" is "image"
  void sd.generate({ prompt: "a fox", outputType: "pil" });
}

/** Into folders. */
export async function saved() {
  await sd.savePretrained("fox", { dtype: "bfloat16", variant: "bf16", maxShardSize: "2GB", overwrite: false });
  await xl.unet.savePretrained("unet", { onProgress: ({ file, written, total }) => `${file} ${written / total}` });
  await sd.saveLoraWeights("lora", { adapterName: "fox", weightName: "fox.safetensors" });
  (await darkroom.StableDiffusionImg2ImgPipeline.fromPipe(sd, { scheduler: "lcm" })) satisfies StableDiffusionImg2ImgPipeline;
  (await darkroom.StableDiffusionControlNetPipeline.fromPipe(sd, { controlnet: net })) satisfies StableDiffusionControlNetPipeline;
  // @ts-expect-error: weights are not saved in 8 bits
  void sd.savePretrained("fox", { dtype: "uint8" });
  // @ts-expect-error: pipelines without a prompt have no LoRAs
  ddpm.saveLoraWeights;
  // @ts-expect-error: a UNet has no text encoder
  void darkroom.StableDiffusionImg2ImgPipeline.fromPipe(sd, { textEncoder: sd.unet });
}

/** Without a prompt. */
export async function unconditional() {
  (await ddpm.generate()).images satisfies Picture[];
  (await ddpm.generate({ batchSize: 2, generator, outputType: "tensor" })).images satisfies Tensor;
  (await ddim.generate({ eta: 1 })).images satisfies Picture[];
  // @ts-expect-error: DDPM has no eta
  void ddpm.generate({ eta: 1 });
  // @ts-expect-error: there is no prompt
  void ddim.generate({ prompt: "a fox" });
  // @ts-expect-error: there are no latents
  void ddpm.generate({ outputType: "latent" });
  // @ts-expect-error: there is no autoencoder
  ddpm.vae;
}
