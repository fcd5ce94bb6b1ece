// Never run: `tsc` alone judges the public types of the pipelines. Each table needs an entry for every exported pipeline.

import type {
  Autoencoder,
  AutoencoderTiny,
  CLIPTextModel,
  CLIPTextModelWithProjection,
  CLIPTokenizer,
  ControlNetModel,
  DDIMPipeline,
  DDPMPipeline,
  Generator,
  MultiControlNetModel,
  Picture,
  Scheduler,
  StableDiffusionAdapterPipeline,
  StableDiffusionControlNetPipeline,
  StableDiffusionImg2ImgPipeline,
  StableDiffusionInpaintPipeline,
  StableDiffusionPipeline,
  StableDiffusionXLAdapterPipeline,
  StableDiffusionXLControlNetUnionPipeline,
  StableDiffusionXLImg2ImgPipeline,
  StableDiffusionXLInpaintPipeline,
  StableDiffusionXLPipeline,
  Tensor,
  UNet2DConditionModel,
  UNet2DModel,
} from "../../src/index.js";
import * as darkroom from "../../src/index.js";
import type { ClassesOf, Equal } from "./equal.js";

type Exports = typeof darkroom;
type Names = Exclude<ClassesOf<Exports, "Pipeline">, "DiffusionPipeline">;
type Instance<Name extends Names> = InstanceType<Exports[Name]>;

declare const sd: StableDiffusionPipeline;
declare const img2img: StableDiffusionImg2ImgPipeline;
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

type UNet = { unet: UNet2DConditionModel };
type Unconditional = { unet: UNet2DModel };

/** The type of each pipeline's network and of its second text encoder. */
interface Parts {
  ConsistencyModelPipeline: Unconditional;
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
  StableDiffusionPipeline: UNet;
  StableDiffusionXLImg2ImgPipeline: UNet;
  StableDiffusionXLInpaintPipeline: UNet;
  StableDiffusionXLPipeline: UNet;
}
true satisfies Equal<{ [Name in Names]: Pick<Instance<Name>, "unet"> extends { unet: infer Net } ? { unet: Net } : never }, Parts>;

/** Every pipeline is opened from a checkpoint as itself. */
export const opened = {
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
  StableDiffusionInpaintPipeline: darkroom.StableDiffusionInpaintPipeline.fromPretrained("folder"),
  StableDiffusionPipeline: darkroom.StableDiffusionPipeline.fromPretrained("folder"),
  StableDiffusionXLImg2ImgPipeline: darkroom.StableDiffusionXLImg2ImgPipeline.fromPretrained("folder"),
  StableDiffusionXLInpaintPipeline: darkroom.StableDiffusionXLInpaintPipeline.fromPretrained("folder"),
  StableDiffusionXLPipeline: darkroom.StableDiffusionXLPipeline.fromPretrained("folder"),
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

/** From pictures. */
export async function fromPictures() {
  (await img2img.generate({ prompt: "a fox", image: picture, strength: 0.5 })).images satisfies Picture[];
  (await img2img.generate({ prompt: "a fox", image: "fox.png" })).images satisfies Picture[];
  (await xlImg2img.generate({ prompt: "a fox", image: [picture, tensor], aestheticScore: 6 })).images satisfies Picture[];
  (await inpaint.generate({ prompt: "a fox", image: picture, maskImage: picture, paddingMaskCrop: 32 })).images satisfies Picture[];
  (await xlInpaint.generate({ prompt: "a fox", image: picture, maskImage: picture })).images satisfies Picture[];
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
