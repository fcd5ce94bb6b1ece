/** The names of a request's fields on the page. */
export const LABELS: Readonly<Record<string, string>> = {
  model: "Model",
  prompt: "Prompt",
  negativePrompt: "Negative prompt",
  width: "Width",
  height: "Height",
  numInferenceSteps: "Steps",
  guidanceScale: "Guidance scale",
  scheduler: "Scheduler",
  seed: "Seed",
  numImagesPerPrompt: "Count",
  strength: "Strength",
  image: "Picture to start from",
  maskImage: "Mask",
  loras: "LoRAs",
  format: "Format",
  quality: "Quality, from 1 to 100",
  controlnet: "ControlNet",
  controlImage: "Control picture",
  controlnetConditioningScale: "Weight of the ControlNet",
  promptSyntax: "Prompt syntax",
  clipSkip: "CLIP skip",
  freeU: "FreeU",
  pagScale: "PAG",
  guidanceInterval: "Guidance interval",
  guidanceRescale: "Guidance rescale",
  timestepSpacing: "Timestep spacing",
  schedulerConfig: "Scheduler settings",
  paddingMaskCrop: "Padding around the mask",
  denoisingEnd: "Refiner from",
  refiner: "Refiner",
  vae: "VAE",
  cache: "Step cache",
  tokenMerging: "Token merging",
};

/** The name of an option, also of one that the page does not know. */
export function labelFor(option: string): string {
  return LABELS[option] ?? option;
}
