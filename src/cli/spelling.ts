import type { DarkroomError } from "../errors.js";
import type { Spelling } from "../wording.js";

/** The command line's names for options and methods of the API. Others have no name on the command line. */
const OPTIONS: Readonly<Record<string, string>> = {
  "AutoencoderKL.fromSingleFile": "--vae",
  "ControlNetModel.fromSingleFile": "--control",
  "ControlNetUnionModel.fromSingleFile": "--control",
  "T2IAdapter.fromSingleFile": "--control",
  "cache.branch": "--cache",
  "cache.interval": "--cache",
  "cache.threshold": "--cache",
  "Upscaler.fromSingleFile": "--upscale",
  adapter: "--control",
  adapterConditioningFactor: "--control-end",
  adapterConditioningScale: "--control-scale",
  allowedHosts: "--allow-host",
  allowedOrigins: "--allow-origin",
  apiKeys: "--api-key",
  batchSize: "--count",
  cache: "--cache",
  cacheDir: "--cache-dir",
  classLabels: "--class",
  clipSkip: "--clip-skip",
  config: "--config",
  controlGuidanceEnd: "--control-end",
  controlGuidanceStart: "--control-start",
  controlImage: "--control-image",
  controlMode: "--control-mode",
  controlnet: "--control",
  controlnetConditioningScale: "--control-scale",
  controlPreprocessor: "--control-preprocess",
  controlResizeMode: "--control-resize",
  denoisingEnd: "--refine-from",
  depthMap: "--depth-map",
  device: "--device",
  dtype: "--dtype",
  embeddingFolders: "--embedding-dir",
  embeddings: "--embedding",
  bucket: "--bucket",
  endpoint: "--bucket-endpoint",
  folder: "--folder",
  fps: "--fps",
  freeU: "--freeu",
  tokenMerging: "--token-merging",
  fromPretrained: "--model",
  grace: "--grace",
  guessMode: "--control-guess",
  guidanceInterval: "--guidance-interval",
  guidanceRescale: "--guidance-rescale",
  guidanceScale: "--guidance",
  height: "--size: height",
  hires: "--hires",
  "hires.height": "--hires",
  "hires.scale": "--hires",
  "hires.width": "--hires",
  "hires.steps": "--hires-steps",
  "hires.strength": "--hires-strength",
  "hires.upscaler": "--hires-upscaler",
  "hires.tile": "--hires-tile",
  "hires.overlap": "--hires-overlap",
  hiresUpscaler: "--hires-upscaler",
  host: "--host",
  image: "--image",
  imageGuidanceScale: "--image-guidance",
  imageEncoderFolder: "--ip-encoder",
  ipAdapterImage: "--ip-image",
  ipAdapterMasks: "--ip-mask",
  ipAdapters: "--ip-adapter",
  ipAdapterScale: "--ip-image",
  keepDays: "--keep-days",
  keepJobs: "--keep-jobs",
  "library.embeddings": "--embedding-dir",
  "library.loras": "--lora-dir",
  listCachedRepositories: "darkroom models",
  loadLoraWeights: "--lora",
  loadTextualInversion: "--embedding",
  loadIPAdapter: "--ip-adapter",
  localFilesOnly: "--offline",
  loraFolders: "--lora-dir",
  lowMemory: "--low-memory",
  quantize: "--quantize",
  loras: "--lora",
  maskImage: "--mask",
  maxBatch: "--max-batch",
  maxEventStreams: "--max-event-streams",
  maxPicturePixels: "--max-picture-pixels",
  maxPixels: "--max-pixels",
  maxPromptLength: "--max-prompt-length",
  maxShardSize: "--max-shard-size",
  maxSteps: "--max-steps",
  maxWaiting: "--max-waiting",
  memoryBudget: "--memory-budget",
  model: "--model",
  motionAdapter: "--motion",
  negativePrompt: "--negative",
  noiseLevel: "--noise-level",
  numFrames: "--frames",
  numImagesPerPrompt: "--count",
  numInferenceSteps: "--steps",
  pagScale: "--pag",
  paddingMaskCrop: "--mask-padding",
  port: "--port",
  predictionType: "--prediction",
  preset: "--preset",
  promptSyntax: "--weighted",
  quality: "--quality",
  queue: "--queue",
  refiner: "--refiner",
  revision: "--revision",
  scale: "--ip-blocks",
  schedule: "--schedule",
  scheduler: "--scheduler",
  "schedulerConfig.originalInferenceSteps": "--original-steps",
  seed: "--seed",
  sigmas: "--sigmas",
  size: "--size",
  slots: "--slots",
  threads: "--threads",
  strength: "--strength",
  timesteps: "--timesteps",
  timestepSpacing: "--spacing",
  upscaler: "--upscale",
  textEncoder: "--text-encoder",
  vae: "--vae",
  variant: "--variant",
  width: "--size: width",
  prompt2: "--prompt2",
  prompt3: "--prompt3",
  negativePrompt2: "--negative2",
  negativePrompt3: "--negative3",
  maxSequenceLength: "--max-tokens",
  trueCfgScale: "--true-cfg",
  cfgTruncation: "--cfg-truncation",
  cfgNormalization: "--cfg-normalization",
  skipGuidanceLayers: "--skip-layers",
  skipLayerGuidanceScale: "--skip-layer-scale",
  skipLayerGuidanceStart: "--skip-layer-start",
  skipLayerGuidanceStop: "--skip-layer-stop",
  mu: "--mu",
  maxArea: "--max-area",
  autoResize: "--no-resize",
  textEncoderOutLayers: "--text-layers",
};

/** The command-line option for an option of the API, such as `--guidance` for `guidanceScale`. */
export function optionOf(name: string): string | undefined {
  return Object.hasOwn(OPTIONS, name) ? OPTIONS[name]?.replace(/:.*/, "") : undefined;
}

/** The command line's spelling of an option or method. */
export const inTerminal: Spelling = (name, { value, code } = {}) => {
  if (name === "prompt" && value !== undefined) return `darkroom generate ${value}`;
  const option = OPTIONS[name];
  if (option !== undefined) return value === undefined ? option : `${option} ${value}`;
  return code === undefined ? name : `in a program, ${code}`;
};

/**
 * Message and hint of an error for the command line. If an error is about an option and does not name it, the message begins with the
 * option.
 */
export function spelled(error: DarkroomError): { readonly message: string; readonly hint: string | undefined } {
  const argument = "argument" in error && typeof error.argument === "string" ? error.argument : undefined;
  const named = new Set<string>();
  const { message, hint } = error.spell((name, mention) => {
    named.add(name);
    return inTerminal(name, mention);
  });
  const option = argument === undefined || named.has(argument) ? undefined : optionOf(argument);
  const isNamed = option === undefined || message.startsWith("--") || message.includes(option);
  return { message: isNamed ? message : `${option}: ${message}`, hint };
}
