/** Options that only some pipelines have, with the last part of these pipelines' names. */
const BELONGS: Readonly<Record<string, readonly string[]>> = {
  image: ["Img2Img", "Inpaint", "ControlNet"],
  strength: ["Img2Img", "Inpaint"],
  maskImage: ["Inpaint"],
  mask: ["Inpaint"],
  maskedImageLatents: ["Inpaint"],
  paddingMaskCrop: ["Inpaint"],
  controlImage: ["ControlNet"],
  controlnet: ["ControlNet"],
  controlnetConditioningScale: ["ControlNet"],
  controlGuidanceStart: ["ControlNet"],
  controlGuidanceEnd: ["ControlNet"],
  guessMode: ["ControlNet"],
};

/** Options that only Stable Diffusion XL has. */
const OF_XL: readonly string[] = [
  "prompt2",
  "negativePrompt2",
  "pooledPromptEmbeds",
  "negativePooledPromptEmbeds",
  "originalSize",
  "targetSize",
  "cropsCoordsTopLeft",
  "negativeOriginalSize",
  "negativeTargetSize",
  "negativeCropsCoordsTopLeft",
  "denoisingEnd",
  "textEncoder2",
  "tokenizer2",
];

/** Options that pipelines with an input picture do not need: they use the picture's size. */
const SIZES: readonly string[] = ["height", "width"];

/** Options that every pipeline with a prompt has. */
const OF_PROMPTS: readonly string[] = ["prompt", "negativePrompt", "guidanceScale", "height", "width"];

/** Which pipelines have an option that this one does not have; undefined if none has it. */
export function belongsElsewhere(className: string, option: string): string | undefined {
  const isStable = className.startsWith("StableDiffusion");
  const family = className.startsWith("StableDiffusionXL") ? "StableDiffusionXL" : "StableDiffusion";
  // There is no ControlNet pipeline for XL.
  const kinds = (BELONGS[option] ?? []).filter((kind) => family === "StableDiffusion" || kind !== "ControlNet");
  if (kinds.length > 0) return `${option} belongs to ${kinds.map((kind) => `${family}${kind}Pipeline`).join(", ")}`;
  if (BELONGS[option]) return `${option} belongs to StableDiffusionControlNetPipeline, which takes Stable Diffusion 1 and 2`;
  if (isStable && family === "StableDiffusion" && OF_XL.includes(option))
    return `${option} belongs to the pipelines of Stable Diffusion XL`;
  if (isStable && option === "denoisingStart")
    return "denoisingStart belongs to StableDiffusionXLImg2ImgPipeline and StableDiffusionXLInpaintPipeline";
  if (isStable && /^(negativeA|a)estheticScore$/.test(option)) return `${option} belongs to StableDiffusionXLImg2ImgPipeline, for refiners`;
  if (isStable && SIZES.includes(option)) return "the result has the size of the picture it starts from; resize(picture, ...) changes that";
  if (!isStable && OF_PROMPTS.includes(option))
    return `${className} makes pictures without a prompt, of one size; ${option} belongs to Stable Diffusion`;
  return undefined;
}
