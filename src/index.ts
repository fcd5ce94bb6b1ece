/// <reference lib="esnext.disposable" preserve="true" />
// Everything a program may import from "darkroom".

// Without it, `fromPretrained` of schedulers, tokenizers and processors would take folders only.
import "./hub/open-checkpoint.js";

export type { IPAdapterKind } from "./checkpoint/ip-adapter-kind.js";
export type { PartOptions } from "./checkpoint/open-part.js";
export type { SavedDType, SavePretrainedOptions, SaveProgress } from "./checkpoint/saving.js";
export type { NeededPart } from "./checkpoint/single-file/needed-parts.js";
export type { DownloadProgress, SourceOptions } from "./checkpoint/source.js";
export type { TextualInversionLayout } from "./checkpoint/textual-inversion.js";
export type { Weights } from "./checkpoint/weights.js";
export {
  ArgumentError,
  type ArgumentErrorOptions,
  CheckpointError,
  ConfigError,
  DarkroomError,
  type DarkroomErrorOptions,
  DeviceError,
  HubError,
  type HubErrorOptions,
  type HubProblem,
  MemoryError,
  type MemoryErrorOptions,
  OutputError,
} from "./errors.js";
export type { PredictionType } from "./families/prediction-types.js";
export type { AttentionSlice } from "./graph/graph.js";
export {
  type CacheOptions,
  listCachedRepositories,
  removeCachedRepository,
} from "./hub/cached-repositories.js";
export { EMBEDDED_CHECKPOINT, embeddedCheckpointPath } from "./hub/embedded.js";
export type { AdapterSource } from "./hub/find-adapter.js";
export type { LoraSource } from "./hub/find-lora.js";
export { openFiles } from "./hub/given-files.js";
export {
  type AnimationFormat,
  type AnimationOptions,
  encodeAnimation,
  type SaveAnimationOptions,
  saveAnimation,
} from "./image/animation.js";
export { type CannyOptions, canny } from "./image/canny.js";
export { CLIPImageProcessor, type CLIPImageProcessorConfig, type CLIPPreprocessOptions } from "./image/clip-image-processor.js";
export { type AnyPicture, GrayPicture, toGray, toRgb } from "./image/gray-picture.js";
export { gridShape, makeImageGrid } from "./image/grid.js";
export { IPAdapterMaskProcessor } from "./image/ip-adapter-mask-processor.js";
export { type ImageSource, loadImage, type RawImage } from "./image/load-image.js";
export { formatParameters, type GenerationParameters, PARAMETERS_KEYWORD, parseParameters } from "./image/parameters.js";
export { type EncodeOptions, Picture, type SaveOptions } from "./image/picture.js";
export type { PictureFormat } from "./image/picture-format.js";
export { readPngText } from "./image/png.js";
export { type PicturePatches, Qwen2VLImageProcessor, type Qwen2VLImageProcessorConfig } from "./image/qwen2-vl-image-processor.js";
export { type Box, type Resampling, type ResizeOptions, resize } from "./image/resize.js";
export { type PictureSettings, readPictureSettings } from "./image/settings/read-picture-settings.js";
export type { PreprocessOptions, ProcessorInput, ResizeMode } from "./image/vae-image-processor.js";
export { cropRegion, VaeImageProcessor, type VaeImageProcessorOptions } from "./image/vae-image-processor.js";
export { type InspectOptions, inspect } from "./inspect/inspect.js";
export type {
  CheckpointInspection,
  ForeignInspection,
  InspectedPart,
  Inspection,
  IPAdapterInspection,
  LoraInspection,
  NetworkInspection,
  PartInspection,
  TensorCounts,
  TextualInversionInspection,
  UnknownInspection,
  UpscalerInspection,
} from "./inspect/inspection.js";
export type { BlockWeights, LoraPartWeights, LoraWeight, UNetWeights } from "./lora/adapter-weight.js";
export type { LoraFormat, LoraPart } from "./lora/lora-names.js";
export type { NetworkAdapters } from "./lora/network-adapters.js";
export { AsymmetricAutoencoderKL, type AsymmetricAutoencoderKLConfig, type DecodeCondition } from "./models/asymmetric-autoencoder-kl.js";
export type { Autoencoder, EncodedImage } from "./models/autoencoder.js";
export { AutoencoderKL, type AutoencoderKLConfig } from "./models/autoencoder-kl.js";
export { AutoencoderKLFlux2, type AutoencoderKLFlux2Config, type LatentStatistics } from "./models/autoencoder-kl-flux2.js";
export { AutoencoderKLQwenImage, type AutoencoderKLQwenImageConfig } from "./models/autoencoder-kl-qwen-image.js";
export { AutoencoderTiny, type AutoencoderTinyConfig } from "./models/autoencoder-tiny.js";
export {
  type ChromaTransformer2DConfig,
  type ChromaTransformer2DInputs,
  ChromaTransformer2DModel,
} from "./models/chroma-transformer-2d.js";
export {
  type CLIPTextConfig,
  CLIPTextModel,
  CLIPTextModelWithProjection,
  type CLIPTextOptions,
  type CLIPTextOutput,
} from "./models/clip-text.js";
export {
  type CLIPVisionConfig,
  CLIPVisionModel,
  type CLIPVisionModelOutput,
  CLIPVisionModelWithProjection,
  type CLIPVisionOptions,
  type CLIPVisionOutput,
} from "./models/clip-vision.js";
export { type ControlNetConfig, type ControlNetInputs, ControlNetModel } from "./models/controlnet.js";
export type { ControlNetOutput } from "./models/controlnet-residuals.js";
export { type ControlNetUnionConfig, type ControlNetUnionInputs, ControlNetUnionModel } from "./models/controlnet-union.js";
export { DiagonalGaussianDistribution } from "./models/diagonal-gaussian.js";
export { FirstBlockCache } from "./models/first-block-cache.js";
export {
  type FluxTokenInputs,
  type FluxTransformer2DConfig,
  type FluxTransformer2DInputs,
  FluxTransformer2DModel,
  type TransformerOutput,
} from "./models/flux-transformer-2d.js";
export {
  type Flux2Transformer2DConfig,
  type Flux2Transformer2DInputs,
  Flux2Transformer2DModel,
  type TokenPositions,
} from "./models/flux2-transformer.js";
export type { FreeUFactors } from "./models/freeu.js";
export type {
  ImageProjection,
  ImageProjectionConfig,
  IPAdapterFaceIDImageProjection,
  IPAdapterFaceIDPlusImageProjection,
  IPAdapterFullImageProjection,
  IPAdapterImageProjectionModel,
  IPAdapterPlusImageProjection,
} from "./models/image-projection.js";
export type { IPAdapterBlockScales, IPAdapterScale, IPAdapterUNetScales, PictureScales } from "./models/ip-adapter-scales.js";
export type { IPAdapterInputs, IPAdapterProjections } from "./models/ip-adapters.js";
export type {
  HiddenStatesOptions,
  LanguageModel,
  LanguageModelOptions,
  LanguageModelOutput,
} from "./models/language-model.js";
export type { Model, ModelOptions, SingleFileModelOptions } from "./models/model.js";
export { MotionAdapter, type MotionAdapterConfig } from "./models/motion-adapter.js";
export { MultiAdapter } from "./models/multi-adapter.js";
export { MultiControlNetModel } from "./models/multi-controlnet.js";
export { MultiControlNetUnionModel } from "./models/multi-controlnet-union.js";
export type { PerturbedRows } from "./models/perturbed-attention.js";
export {
  type ImageShape,
  type QwenImageTransformer2DConfig,
  type QwenImageTransformer2DInputs,
  QwenImageTransformer2DModel,
} from "./models/qwen-image-transformer.js";
export type { QwenVisionConfig } from "./models/qwen-vision.js";
export { type PictureOptions, type Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration } from "./models/qwen2-5-vl.js";
export { type Qwen3Config, Qwen3Model } from "./models/qwen3.js";
export type { SafetyCheck } from "./models/safety-checker.js";
export { StableDiffusionSafetyChecker } from "./models/safety-checker.js";
export { type SD3Transformer2DConfig, type SD3Transformer2DInputs, SD3Transformer2DModel } from "./models/sd3-transformer-2d.js";
export { T2IAdapter, type T2IAdapterConfig } from "./models/t2i-adapter.js";
export { type T5Config, T5EncoderModel, type T5EncoderOutput } from "./models/t5-encoder.js";
export type { MemorySaving } from "./models/tiling.js";
export { type UNet2DConfig, type UNet2DInputs, UNet2DModel } from "./models/unet-2d.js";
export { type UNet2DConditionInputs, UNet2DConditionModel, type UNet2DConditionOutput } from "./models/unet-2d-condition.js";
export type { UNet2DConditionConfig } from "./models/unet-2d-condition-config.js";
export { type UNetMotionConfig, UNetMotionModel } from "./models/unet-motion.js";
export { type UpscaleOptions, Upscaler, type UpscalerConfig, type UpscalerOptions } from "./models/upscaler.js";
export {
  type ZImageTransformer2DConfig,
  type ZImageTransformer2DInputs,
  ZImageTransformer2DModel,
} from "./models/z-image-transformer.js";
export type { ControlNetUnionComponents, ControlNetUnionOptions } from "./pipelines/adapters/controlnet-unions.js";
export type { ControlNetComponents, ControlNetOptions, PerNet } from "./pipelines/adapters/controlnets.js";
export type {
  IPAdapterImages,
  IPAdapterMask,
  IPAdapterOptions,
  IPAdapterPictures,
  PrepareIPAdapterOptions,
} from "./pipelines/adapters/ip-adapters.js";
export type { IPAdapterSources, LoadIPAdapterOptions } from "./pipelines/adapters/load-ip-adapters.js";
export type { FuseLoraOptions, LoadedLora, LoadLoraOptions, LoraComponent } from "./pipelines/adapters/lora-adapters.js";
export type { SaveLoraOptions } from "./pipelines/adapters/save-lora.js";
export type { AdapterComponents, AdapterImages, AdapterOptions } from "./pipelines/adapters/t2i-adapters.js";
export type { TextualInversionOptions, TextualInversionSource } from "./pipelines/adapters/textual-inversions.js";
export { type AnimateDiffOptions, AnimateDiffPipeline, type AnimateDiffRequest } from "./pipelines/animatediff.js";
export type { AnimateDiffCommonOptions, AnimateDiffComponents, AnimateDiffOutput } from "./pipelines/animatediff-base.js";
export {
  type AnimateDiffVideoToVideoOptions,
  AnimateDiffVideoToVideoPipeline,
  type AnimateDiffVideoToVideoRequest,
  type VideoInput,
} from "./pipelines/animatediff-video-to-video.js";
export {
  type AutoParts,
  type AutoPipeline,
  AutoPipelineForImage2Image,
  AutoPipelineForInpainting,
  AutoPipelineForText2Image,
  type Controlnet,
  type NoControlnet,
  type PagChoice,
} from "./pipelines/auto-pipeline.js";
export { type CfgCutoffOptions, cfgCutoff, ipAdapterScaleCutoff } from "./pipelines/cfg-cutoff.js";
export { type ChromaOptions, ChromaPipeline, type ChromaTextToImageRequest } from "./pipelines/chroma.js";
export type { ChromaComponents, ChromaPromptEmbeds, ChromaRequest } from "./pipelines/chroma-base.js";
export { type ChromaImg2ImgOptions, ChromaImg2ImgPipeline, type ChromaImg2ImgRequest } from "./pipelines/chroma-img2img.js";
export { type ClassLabels, ConsistencyModelPipeline, type ConsistencyModelRequest } from "./pipelines/consistency-model.js";
export { DDIMPipeline, type DDIMRequest } from "./pipelines/ddim.js";
export { DDPMPipeline } from "./pipelines/ddpm.js";
export { DiffusionPipeline } from "./pipelines/diffusion-pipeline.js";
export { type FluxOptions, FluxPipeline, type FluxTextToImageRequest } from "./pipelines/flux.js";
export type { FluxComponents, FluxPromptEmbeds, FluxRequest, TrueGuidanceOptions } from "./pipelines/flux-base.js";
export { type FluxFillOptions, FluxFillPipeline, type FluxFillRequest } from "./pipelines/flux-fill.js";
export { type FluxImg2ImgOptions, FluxImg2ImgPipeline, type FluxImg2ImgRequest } from "./pipelines/flux-img2img.js";
export { type FluxInpaintOptions, FluxInpaintPipeline, type FluxInpaintRequest } from "./pipelines/flux-inpaint.js";
export { type FluxKontextOptions, FluxKontextPipeline, type FluxKontextRequest } from "./pipelines/flux-kontext.js";
export {
  type Flux2KleinComponents,
  type Flux2KleinOptions,
  Flux2KleinPipeline,
  type Flux2KleinRequest,
  type Flux2KleinSettings,
} from "./pipelines/flux2-klein.js";
export {
  type LatentConsistencyModelOptions,
  LatentConsistencyModelPipeline,
  type LatentConsistencyModelRequest,
} from "./pipelines/latent-consistency-model.js";
export type { LatentConsistencyModelCommonOptions } from "./pipelines/latent-consistency-model-base.js";
export {
  type LatentConsistencyModelImg2ImgOptions,
  LatentConsistencyModelImg2ImgPipeline,
  type LatentConsistencyModelImg2ImgRequest,
} from "./pipelines/latent-consistency-model-img2img.js";
export type { GuidanceOptions, PromptEmbeds } from "./pipelines/latent-diffusion-request.js";
export type { PipelineOptions, SchedulerOptions } from "./pipelines/open-pipeline.js";
export type { PackedFlowPipeline, PackedNetwork } from "./pipelines/packed-flow-pipeline.js";
export type { GivenParts, PartsOf, PipelineClass, PipelineOf, TextToImagePipeline } from "./pipelines/pipeline-classes.js";
export type { ChromaPromptOptions } from "./pipelines/prompt/chroma.js";
export type { FluxPromptOptions } from "./pipelines/prompt/flux.js";
export type { Flux2KleinPromptOptions } from "./pipelines/prompt/flux2-klein.js";
export type {
  Prompted,
  PromptInput,
  PromptOptions,
  PromptOptionsXL,
  PromptSyntax,
  TextEmbeds,
  WithPrompt,
  WithPromptEmbeds,
} from "./pipelines/prompt/prompt-options.js";
export type { QwenImagePromptOptions } from "./pipelines/prompt/qwen-image.js";
export type { LongPromptInput } from "./pipelines/prompt/read-prompts.js";
export type { StableDiffusion3PromptOptions } from "./pipelines/prompt/stable-diffusion-3.js";
export { QwenImagePipeline, type QwenImageTextToImageOptions, type QwenImageTextToImageRequest } from "./pipelines/qwen-image.js";
export type { QwenImageComponents, QwenImagePromptEmbeds, QwenImageRequest } from "./pipelines/qwen-image-base.js";
export {
  type QwenImageEditComponents,
  type QwenImageEditPlusOptions,
  QwenImageEditPlusPipeline,
  type QwenImageEditPlusRequest,
} from "./pipelines/qwen-image-edit-plus.js";
export { type QwenImageImg2ImgOptions, QwenImageImg2ImgPipeline, type QwenImageImg2ImgRequest } from "./pipelines/qwen-image-img2img.js";
export { ScoreSdeVePipeline } from "./pipelines/score-sde-ve.js";
export type { ControlImageOptions, ControlImages } from "./pipelines/shared/control-images.js";
export type { DenoisingNetwork } from "./pipelines/shared/denoiser.js";
export type { DepthInput } from "./pipelines/shared/depth-map.js";
export type { GuidanceInterval } from "./pipelines/shared/guidance-interval.js";
export type { ImageInput, InpaintImages } from "./pipelines/shared/image-inputs.js";
export type { OutputType, PipelineOutput, PixelOutputType } from "./pipelines/shared/output.js";
export type { PagOptions } from "./pipelines/shared/pag-options.js";
export type { PerturbedGuidanceOptions } from "./pipelines/shared/perturbed-guidance.js";
export type { DenoisingStep, PipelineRun } from "./pipelines/shared/pipeline-run.js";
export type { OnStepEnd, SteeringOptions, StepChanges, StepEnd } from "./pipelines/shared/steering.js";
export type { StepCacheOptions } from "./pipelines/shared/step-cache.js";
export { type StableDiffusionOptions, StableDiffusionPipeline, type StableDiffusionRequest } from "./pipelines/stable-diffusion.js";
export { type StableDiffusion3Options, StableDiffusion3Pipeline, type StableDiffusion3Request } from "./pipelines/stable-diffusion-3.js";
export type {
  SkipLayerOptions,
  StableDiffusion3Common,
  StableDiffusion3Components,
  StableDiffusion3PromptEmbeds,
} from "./pipelines/stable-diffusion-3-base.js";
export {
  type StableDiffusion3Img2ImgOptions,
  StableDiffusion3Img2ImgPipeline,
  type StableDiffusion3Img2ImgRequest,
} from "./pipelines/stable-diffusion-3-img2img.js";
export {
  type StableDiffusion3InpaintOptions,
  StableDiffusion3InpaintPipeline,
  type StableDiffusion3InpaintRequest,
} from "./pipelines/stable-diffusion-3-inpaint.js";
export {
  type StableDiffusionAdapterComponents,
  type StableDiffusionAdapterOptions,
  StableDiffusionAdapterPipeline,
  type StableDiffusionAdapterRequest,
} from "./pipelines/stable-diffusion-adapter.js";
export type { StableDiffusionComponents } from "./pipelines/stable-diffusion-base.js";
export {
  type StableDiffusionControlNetOptions,
  StableDiffusionControlNetPipeline,
  type StableDiffusionControlNetRequest,
} from "./pipelines/stable-diffusion-controlnet.js";
export type { StableDiffusionControlNetComponents } from "./pipelines/stable-diffusion-controlnet-base.js";
export {
  type StableDiffusionControlNetImg2ImgOptions,
  StableDiffusionControlNetImg2ImgPipeline,
  type StableDiffusionControlNetImg2ImgRequest,
} from "./pipelines/stable-diffusion-controlnet-img2img.js";
export {
  type StableDiffusionControlNetInpaintOptions,
  StableDiffusionControlNetInpaintPipeline,
  type StableDiffusionControlNetInpaintRequest,
} from "./pipelines/stable-diffusion-controlnet-inpaint.js";
export {
  type StableDiffusionDepth2ImgOptions,
  StableDiffusionDepth2ImgPipeline,
  type StableDiffusionDepth2ImgRequest,
} from "./pipelines/stable-diffusion-depth2img.js";
export {
  type StableDiffusionImg2ImgOptions,
  StableDiffusionImg2ImgPipeline,
  type StableDiffusionImg2ImgRequest,
} from "./pipelines/stable-diffusion-img2img.js";
export {
  type StableDiffusionInpaintOptions,
  StableDiffusionInpaintPipeline,
  type StableDiffusionInpaintRequest,
} from "./pipelines/stable-diffusion-inpaint.js";
export {
  type StableDiffusionInstructPix2PixOptions,
  StableDiffusionInstructPix2PixPipeline,
  type StableDiffusionInstructPix2PixRequest,
} from "./pipelines/stable-diffusion-instruct-pix2pix.js";
export {
  type StableDiffusionLatentUpscaleComponents,
  type StableDiffusionLatentUpscaleOptions,
  StableDiffusionLatentUpscalePipeline,
  type StableDiffusionLatentUpscaleRequest,
} from "./pipelines/stable-diffusion-latent-upscale.js";
export {
  StableDiffusionControlNetPAGInpaintPipeline,
  StableDiffusionControlNetPAGPipeline,
  StableDiffusionPAGImg2ImgPipeline,
  StableDiffusionPAGInpaintPipeline,
  StableDiffusionPAGPipeline,
} from "./pipelines/stable-diffusion-pag.js";
export {
  type StableDiffusionUpscaleComponents,
  type StableDiffusionUpscaleOptions,
  StableDiffusionUpscalePipeline,
  type StableDiffusionUpscaleRequest,
} from "./pipelines/stable-diffusion-upscale.js";
export {
  type StableDiffusionXLOptions,
  StableDiffusionXLPipeline,
  type StableDiffusionXLRequest,
} from "./pipelines/stable-diffusion-xl.js";
export {
  type StableDiffusionXLAdapterComponents,
  type StableDiffusionXLAdapterOptions,
  StableDiffusionXLAdapterPipeline,
  type StableDiffusionXLAdapterRequest,
} from "./pipelines/stable-diffusion-xl-adapter.js";
export type { Pair, PromptEmbedsXL, StableDiffusionXLComponents, StableDiffusionXLSettings } from "./pipelines/stable-diffusion-xl-base.js";
export {
  type StableDiffusionXLControlNetOptions,
  StableDiffusionXLControlNetPipeline,
  type StableDiffusionXLControlNetRequest,
} from "./pipelines/stable-diffusion-xl-controlnet.js";
export type { StableDiffusionXLControlNetComponents } from "./pipelines/stable-diffusion-xl-controlnet-base.js";
export {
  type StableDiffusionXLControlNetImg2ImgOptions,
  StableDiffusionXLControlNetImg2ImgPipeline,
  type StableDiffusionXLControlNetImg2ImgRequest,
} from "./pipelines/stable-diffusion-xl-controlnet-img2img.js";
export {
  type StableDiffusionXLControlNetInpaintOptions,
  StableDiffusionXLControlNetInpaintPipeline,
  type StableDiffusionXLControlNetInpaintRequest,
} from "./pipelines/stable-diffusion-xl-controlnet-inpaint.js";
export {
  type StableDiffusionXLControlNetUnionOptions,
  StableDiffusionXLControlNetUnionPipeline,
  type StableDiffusionXLControlNetUnionRequest,
} from "./pipelines/stable-diffusion-xl-controlnet-union.js";
export type { StableDiffusionXLControlNetUnionComponents } from "./pipelines/stable-diffusion-xl-controlnet-union-base.js";
export {
  type StableDiffusionXLControlNetUnionImg2ImgOptions,
  StableDiffusionXLControlNetUnionImg2ImgPipeline,
  type StableDiffusionXLControlNetUnionImg2ImgRequest,
} from "./pipelines/stable-diffusion-xl-controlnet-union-img2img.js";
export {
  type StableDiffusionXLControlNetUnionInpaintOptions,
  StableDiffusionXLControlNetUnionInpaintPipeline,
  type StableDiffusionXLControlNetUnionInpaintRequest,
} from "./pipelines/stable-diffusion-xl-controlnet-union-inpaint.js";
export {
  type StableDiffusionXLImg2ImgOptions,
  StableDiffusionXLImg2ImgPipeline,
  type StableDiffusionXLImg2ImgRequest,
} from "./pipelines/stable-diffusion-xl-img2img.js";
export {
  type StableDiffusionXLInpaintOptions,
  StableDiffusionXLInpaintPipeline,
  type StableDiffusionXLInpaintRequest,
} from "./pipelines/stable-diffusion-xl-inpaint.js";
export {
  type StableDiffusionXLInstructPix2PixOptions,
  StableDiffusionXLInstructPix2PixPipeline,
  type StableDiffusionXLInstructPix2PixRequest,
} from "./pipelines/stable-diffusion-xl-instruct-pix2pix.js";
export {
  StableDiffusionXLControlNetPAGImg2ImgPipeline,
  StableDiffusionXLControlNetPAGPipeline,
  StableDiffusionXLPAGImg2ImgPipeline,
  StableDiffusionXLPAGInpaintPipeline,
  StableDiffusionXLPAGPipeline,
} from "./pipelines/stable-diffusion-xl-pag.js";
export type {
  NoiseStartOptions,
  PictureStartOptions,
  TransformerComponents,
  TransformerRequest,
} from "./pipelines/transformer-pipeline.js";
export type { UnconditionalComponents, UnconditionalRequest } from "./pipelines/unconditional.js";
export { ZImagePipeline, type ZImageTextToImageOptions, type ZImageTextToImageRequest } from "./pipelines/z-image.js";
export type { ZImageComponents, ZImagePromptEmbeds, ZImageRequest } from "./pipelines/z-image-base.js";
export { type ZImageImg2ImgOptions, ZImageImg2ImgPipeline, type ZImageImg2ImgRequest } from "./pipelines/z-image-img2img.js";
export type { Folder } from "./platform/folder.js";
export type { CachedRepository, CachedRevision } from "./platform/hub.js";
export type { PagePicture } from "./platform/page-pictures.js";
export { extractLoraTags, type LoraTag, type PromptWithLoras } from "./prompt/lora-tags.js";
export type { PipelineQueue } from "./runtime/call-queue.js";
export type { Device, DeviceOptions, Precision, Quantisation, ResolvedDevice } from "./runtime/device.js";
export type { Engine } from "./runtime/engine.js";
export type { LoadProgress } from "./runtime/load-progress.js";
export { type RuntimeFiles, setRuntimeFiles } from "./runtime/runtime-files.js";
export { type CMStochasticIterativeConfig, CMStochasticIterativeScheduler } from "./schedulers/cm-stochastic-iterative.js";
export { type DDIMConfig, DDIMScheduler } from "./schedulers/ddim.js";
export { type DDIMCFGPPConfig, DDIMCFGPPScheduler } from "./schedulers/ddim-cfg-pp.js";
export { type DDIMInverseConfig, DDIMInverseScheduler } from "./schedulers/ddim-inverse.js";
export { type DDIMBatchStepOptions, DDIMParallelScheduler } from "./schedulers/ddim-parallel.js";
export { type DDPMConfig, DDPMScheduler } from "./schedulers/ddpm.js";
export { DDPMParallelScheduler } from "./schedulers/ddpm-parallel.js";
export { type DEISMultistepConfig, DEISMultistepScheduler } from "./schedulers/deis-multistep.js";
export { type DPMAdaptiveConfig, DPMAdaptiveScheduler } from "./schedulers/dpm-adaptive.js";
export { type DPMFastConfig, DPMFastScheduler } from "./schedulers/dpm-fast.js";
export { type DPMSolverMultistepConfig, DPMSolverMultistepScheduler } from "./schedulers/dpm-solver-multistep.js";
export { type DPMSolverMultistepInverseConfig, DPMSolverMultistepInverseScheduler } from "./schedulers/dpm-solver-multistep-inverse.js";
export { type DPMSolverSDEConfig, DPMSolverSDEScheduler } from "./schedulers/dpm-solver-sde.js";
export { type DPMSolverSinglestepConfig, DPMSolverSinglestepScheduler } from "./schedulers/dpm-solver-singlestep.js";
export { type DPMPP2SAncestralConfig, DPMPP2SAncestralScheduler } from "./schedulers/dpmpp-2s-ancestral.js";
export { type EDMDPMSolverMultistepConfig, EDMDPMSolverMultistepScheduler } from "./schedulers/edm-dpm-solver-multistep.js";
export { type EDMEulerConfig, EDMEulerScheduler } from "./schedulers/edm-euler.js";
export { type EulerAncestralDiscreteConfig, EulerAncestralDiscreteScheduler } from "./schedulers/euler-ancestral-discrete.js";
export { type EulerCFGPPConfig, EulerCFGPPScheduler } from "./schedulers/euler-cfg-pp.js";
export { type EulerDiscreteConfig, EulerDiscreteScheduler } from "./schedulers/euler-discrete.js";
export { type FlowMatchEulerDiscreteConfig, FlowMatchEulerDiscreteScheduler } from "./schedulers/flow-match-euler-discrete.js";
export { type FlowMatchHeunDiscreteConfig, FlowMatchHeunDiscreteScheduler } from "./schedulers/flow-match-heun-discrete.js";
export { type FlowMatchLCMConfig, FlowMatchLCMScheduler } from "./schedulers/flow-match-lcm.js";
export { type HeunDiscreteConfig, HeunDiscreteScheduler } from "./schedulers/heun-discrete.js";
export { type IPNDMConfig, IPNDMScheduler } from "./schedulers/ipndm.js";
export { KDPM2AncestralDiscreteScheduler } from "./schedulers/k-dpm-2-ancestral-discrete.js";
export { KDPM2DiscreteScheduler } from "./schedulers/k-dpm-2-discrete.js";
export { type LCMConfig, LCMScheduler } from "./schedulers/lcm.js";
export { type LMSDiscreteConfig, LMSDiscreteScheduler } from "./schedulers/lms-discrete.js";
export { type PNDMConfig, PNDMScheduler } from "./schedulers/pndm.js";
export { namedScheduler, type ResolvedScheduler, resolveScheduler, schedulerFromConfig, schedulerNames } from "./schedulers/registry.js";
export { type RestartConfig, RestartScheduler } from "./schedulers/restart.js";
export type { TauFunction } from "./schedulers/sa-solver.js";
export { type SASolverConfig, SASolverScheduler } from "./schedulers/sa-solver.js";
export {
  type ScoreSdeOutput,
  type ScoreSdeStepOptions,
  type ScoreSdeVeConfig,
  ScoreSdeVeScheduler,
  type ScoreSdeVeSigmaOptions,
} from "./schedulers/score-sde-ve.js";
export { type ScoreSdeVpConfig, ScoreSdeVpScheduler } from "./schedulers/score-sde-vp.js";
export { AysSchedules } from "./schedulers/shared/ays-schedules.js";
export type { ConfigOrigin, ConfigSchema } from "./schedulers/shared/config-fields.js";
export type { KDPM2Config } from "./schedulers/shared/k-dpm-2-scheduler.js";
export { SCHEDULES, type ScheduleName, type ScheduleOptions, scheduleSigmas } from "./schedulers/shared/named-schedules.js";
export { Scheduler, type SchedulerClass, type StepOptions, type StepOutput, type TimestepOptions } from "./schedulers/shared/scheduler.js";
export type { TimestepSpacing } from "./schedulers/shared/timestep-spacing.js";
export { type TCDConfig, TCDScheduler } from "./schedulers/tcd.js";
export { type UniPCMultistepConfig, UniPCMultistepScheduler } from "./schedulers/unipc-multistep.js";
export type { Axes, Parts } from "./tensor/axes.js";
export type { BlockFormat } from "./tensor/block-format.js";
export type { DataOf, DType } from "./tensor/dtype.js";
export { type FloatDType, Generator, parseSeed, rand, randint, randn, randnPerImage } from "./tensor/random.js";
export type { BlockPacking, BytePacking, CodePacking, FileRef, Packing, StoredTensor } from "./tensor/stored-tensor.js";
export { concat, type ReduceOptions, type Shape, type StdOptions, Tensor, weightedSum } from "./tensor/tensor.js";
export type { BatchTokenizeOptions, TokenBatch, TokenizedTexts } from "./tokenizer/batch.js";
export type { ChatMessage, ChatTemplateOptions } from "./tokenizer/chat-template.js";
export { CLIPTokenizer, type TokenizedPrompts, type TokenizeOptions } from "./tokenizer/clip.js";
export { Qwen2Tokenizer } from "./tokenizer/qwen2.js";
export { T5Tokenizer } from "./tokenizer/t5.js";
export { setWarningHandler, type WarningHandler } from "./warnings.js";
export type { Mention, Spelling, Wording } from "./wording.js";
