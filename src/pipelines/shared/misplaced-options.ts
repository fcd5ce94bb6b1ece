import type { Family, WorkflowName } from "../../families/family.js";
import { DEFAULT_FAMILY, FAMILIES, familiesByPipeline, IMAGE_PROMPT_FAMILY_NAMES } from "../../families/lookups.js";
import { ordinaryClass } from "../../families/pag-classes.js";

const CONTROLLED: readonly WorkflowName[] = ["controlnet-noise", "controlnet-image", "controlnet-mask"];

/** Options that only some workflows have. */
const BELONGS: Readonly<Record<string, readonly WorkflowName[]>> = {
  image: ["image", "mask", "controlnet-noise"],
  strength: ["image", "mask"],
  maskImage: ["mask"],
  mask: ["mask"],
  maskedImageLatents: ["mask"],
  paddingMaskCrop: ["mask"],
  video: ["motion-image"],
  controlImage: ["controlnet-image", "controlnet-mask"],
  controlnet: CONTROLLED,
  controlnetConditioningScale: CONTROLLED,
  controlGuidanceStart: CONTROLLED,
  controlGuidanceEnd: CONTROLLED,
  guessMode: CONTROLLED,
  adapter: ["adapter-noise"],
  adapterConditioningScale: ["adapter-noise"],
};

/** Options that pipelines with an input picture do not have: they use the picture's size. */
const SIZES: readonly string[] = ["height", "width"];

/** Options that every pipeline with a prompt has. */
const OF_PROMPTS: readonly string[] = ["prompt", "negativePrompt", "guidanceScale", "height", "width"];

/** Which pipelines have an option that this one does not have; undefined if none has it. */
export function belongsElsewhere(pipeline: string, option: string): string | undefined {
  if (option.startsWith("ipAdapter")) return `IP-Adapters are for ${IMAGE_PROMPT_FAMILY_NAMES}`;
  const className = ordinaryClass(pipeline);
  // The first of the families with this pipeline stands for all of them.
  const family = familiesByPipeline(className).find(({ takesPrompt }) => takesPrompt);
  const workflows = Object.hasOwn(BELONGS, option) ? (BELONGS[option] ?? []) : [];
  const pipelines = pipelinesOf(family ?? DEFAULT_FAMILY, workflows, option);
  if (pipelines.length > 0) return `${option} belongs to ${pipelines.join(", ")}`;
  const others = FAMILIES.filter((each) => pipelinesOf(each, workflows, option).length > 0);
  const [other] = others;
  if (other)
    return `${option} belongs to ${pipelinesOf(other, workflows, option).join(", ")}, which takes ${others.map(({ name }) => name).join(" and ")}`;
  if (!family) {
    return OF_PROMPTS.includes(option)
      ? `${className} makes pictures without a prompt, of one size; ${option} belongs to ${DEFAULT_FAMILY.series}`
      : undefined;
  }
  const owners = FAMILIES.filter(({ ownOptions }) => ownOptions && Object.hasOwn(ownOptions, option));
  const [owner] = owners;
  if (owners.length > 1 && !owners.includes(family))
    return `${option} belongs to the pipelines of ${owners.map(({ name }) => name).join(", ")}`;
  const workflowsOfOption = owner?.ownOptions?.[option] ?? [];
  if (owner && !pipelinesOf(owner, workflowsOfOption).includes(className)) {
    const isEverywhere = workflowsOfOption.length === Object.keys(owner.workflows).length;
    return `${option} belongs to ${isEverywhere ? `the pipelines of ${owner.name}` : pipelinesOf(owner, workflowsOfOption).join(" and ")}`;
  }
  if (SIZES.includes(option)) return "the result has the size of the picture it starts from; resize(picture, ...) changes that";
  return undefined;
}

/** The family's pipelines for these workflows that have `option`, as far as it has them. */
function pipelinesOf({ workflows }: Family, names: readonly WorkflowName[], option?: string): readonly string[] {
  return names.flatMap((name) => {
    const { className, defaults } = workflows[name] ?? {};
    // A pipeline that edits a picture starts from noise.
    const hasOption = option !== "strength" || defaults?.strength !== undefined;
    return className !== undefined && hasOption ? [className] : [];
  });
}
