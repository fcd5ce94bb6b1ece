/** diffusers' classes with perturbed-attention guidance, and the ordinary class of each. */
export const PAG_CLASSES = {
  StableDiffusionPAGPipeline: "StableDiffusionPipeline",
  StableDiffusionPAGImg2ImgPipeline: "StableDiffusionImg2ImgPipeline",
  StableDiffusionPAGInpaintPipeline: "StableDiffusionInpaintPipeline",
  StableDiffusionControlNetPAGPipeline: "StableDiffusionControlNetPipeline",
  StableDiffusionControlNetPAGInpaintPipeline: "StableDiffusionControlNetInpaintPipeline",
  StableDiffusionXLPAGPipeline: "StableDiffusionXLPipeline",
  StableDiffusionXLPAGImg2ImgPipeline: "StableDiffusionXLImg2ImgPipeline",
  StableDiffusionXLPAGInpaintPipeline: "StableDiffusionXLInpaintPipeline",
  StableDiffusionXLControlNetPAGPipeline: "StableDiffusionXLControlNetPipeline",
  StableDiffusionXLControlNetPAGImg2ImgPipeline: "StableDiffusionXLControlNetImg2ImgPipeline",
} as const;

/** The class name of a pipeline with perturbed-attention guidance. */
export type PagClassName = keyof typeof PAG_CLASSES;

/** Whether a class has perturbed-attention guidance in its name. */
export function isPagClass(className: string): className is PagClassName {
  return Object.hasOwn(PAG_CLASSES, className);
}

/** The class without perturbed-attention guidance; a class that has none is its own. */
export function ordinaryClass(className: string): string {
  return isPagClass(className) ? PAG_CLASSES[className] : className;
}

/** The class with perturbed-attention guidance for an ordinary one; undefined if diffusers has none. */
export function pagClass(className: string): string | undefined {
  return Object.entries(PAG_CLASSES).find(([, ordinary]) => ordinary === className)?.[0];
}
