import type { Family, WorkflowName } from "../../families/family.js";
import { DEFAULT_FAMILY, FAMILIES, familiesByPipeline } from "../../families/lookups.js";
import { STABLE_DIFFUSION_XL } from "../../families/stable-diffusion-xl.js";

/** Options that only some workflows have. */
const BELONGS: Readonly<Record<string, readonly WorkflowName[]>> = {
  image: ["image", "mask", "control"],
  strength: ["image", "mask"],
  maskImage: ["mask"],
  mask: ["mask"],
  maskedImageLatents: ["mask"],
  paddingMaskCrop: ["mask"],
  controlImage: ["control"],
  controlnet: ["control"],
  controlnetConditioningScale: ["control"],
  controlGuidanceStart: ["control"],
  controlGuidanceEnd: ["control"],
  guessMode: ["control"],
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

/** Options that pipelines with an input picture do not have: they use the picture's size. */
const SIZES: readonly string[] = ["height", "width"];

/** Options that every pipeline with a prompt has. */
const OF_PROMPTS: readonly string[] = ["prompt", "negativePrompt", "guidanceScale", "height", "width"];

/** Which pipelines have an option that this one does not have; undefined if none has it. */
export function belongsElsewhere(className: string, option: string): string | undefined {
  // The first of the families with this pipeline stands for all of them.
  const family = familiesByPipeline(className).find(({ takesPrompt }) => takesPrompt);
  const workflows = BELONGS[option] ?? [];
  const pipelines = pipelinesOf(family ?? DEFAULT_FAMILY, workflows);
  if (pipelines.length > 0) return `${option} belongs to ${pipelines.join(", ")}`;
  const others = FAMILIES.filter((each) => pipelinesOf(each, workflows).length > 0);
  const [other] = others;
  if (other)
    return `${option} belongs to ${pipelinesOf(other, workflows).join(", ")}, which takes ${others.map(({ name }) => name).join(" and ")}`;
  if (!family) {
    return OF_PROMPTS.includes(option)
      ? `${className} makes pictures without a prompt, of one size; ${option} belongs to Stable Diffusion`
      : undefined;
  }
  const { image, mask } = STABLE_DIFFUSION_XL.workflows;
  if (family.id !== STABLE_DIFFUSION_XL.id && OF_XL.includes(option))
    return `${option} belongs to the pipelines of ${STABLE_DIFFUSION_XL.name}`;
  if (option === "denoisingStart") return `denoisingStart belongs to ${image.className} and ${mask.className}`;
  if (/^(negativeA|a)estheticScore$/.test(option)) return `${option} belongs to ${image.className}, for refiners`;
  if (SIZES.includes(option)) return "the result has the size of the picture it starts from; resize(picture, ...) changes that";
  return undefined;
}

/** The family's pipelines for those of these workflows that it has. */
function pipelinesOf({ workflows }: Family, names: readonly WorkflowName[]): readonly string[] {
  return names.flatMap((name) => workflows[name]?.className ?? []);
}
