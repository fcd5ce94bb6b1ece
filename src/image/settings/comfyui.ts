import type { Json, JsonObject } from "../../checkpoint/json.js";
import { type ComfyGraph, type ComfyNode, graphOfPrompt, graphOfWorkflow, linkOf, upstream } from "./comfyui-graph.js";
import { type FoundSettings, fieldsOf, foundSettings, listOf, loraOf, objectOf, sizeOf } from "./fields.js";
import type { Texts } from "./picture-texts.js";

/**
 * Reads ComfyUI's graph, which has no fixed form. It is followed from the saved picture back to the first sampler, and from there to the
 * texts, the model and the LoRAs. Names of samplers stay ComfyUI's.
 */
export function readComfyUI(texts: Texts): FoundSettings | undefined {
  const graph = findGraph(texts);
  if (!graph) return undefined;
  const sampler = firstSampler(graph);
  if (!sampler) return {};
  // Custom samplers have one node for each setting.
  const parts = [...upstream(graph, [sampler], (input) => /^(guider|noise|sampler|sigmas)$/.test(input))];
  const setting = (...names: readonly string[]) => firstValue(graph, parts, names);
  const models = [...upstream(graph, parts, (input) => /^(model|model1|guider|sigmas|lora_stack)$/.test(input))];
  const encoders = [...upstream(graph, parts, (input) => /^(positive|conditioning\w*|clip|guider)$/.test(input))];
  const latents = [...upstream(graph, [sampler], (input) => /^(latent\w*|samples)$/.test(input))];
  const side = ({ inputs }: ComfyNode, name: string) => scalar(graph, inputs, name) ?? scalar(graph, inputs, `empty_latent_${name}`);
  const size = latents.map((node) => sizeOf(side(node, "width"), side(node, "height"))).find(Boolean);
  const denoise = setting("denoise");
  const clipSkip = Number(firstValue(graph, encoders, ["stop_at_clip_layer"]));
  return foundSettings(conditioningText(graph, parts, "positive"), conditioningText(graph, parts, "negative"), {
    Steps: setting("steps"),
    Sampler: setting("sampler_name"),
    "Schedule type": setting("scheduler"),
    "CFG scale": setting("cfg"),
    "Distilled CFG Scale": firstValue(graph, encoders, ["guidance"]),
    Seed: setting("seed", "noise_seed"),
    Size: size,
    Model: firstValue(graph, models, ["ckpt_name", "unet_name", "model_name", "base_ckpt_name"]),
    LoRAs: listOf(models.flatMap((node) => lorasOf(graph, node))),
    "Denoising strength": Number(denoise) === 1 ? undefined : denoise,
    "Clip skip": clipSkip < -1 ? -clipSkip : undefined,
  });
}

/**
 * Finds the graph. PNG files have it in texts of their own, WebP files in EXIF's Make and Model as `prompt:{...}`; some programs write
 * UserComment.
 */
function findGraph({ prompt, workflow, UserComment, ImageDescription, Make, Model }: Texts): ComfyGraph | undefined {
  const tags = [ImageDescription, Make, Model].flatMap((text) => {
    const [start, keyword = ""] = /^(prompt|workflow):/i.exec(text ?? "") ?? [];
    return start === undefined ? [] : [[keyword.toLowerCase(), text?.slice(start.length)] as const];
  });
  const tagged = new Map(tags);
  const comment = objectOf(UserComment);
  const asRun = [objectOf(prompt ?? tagged.get("prompt")), comment && fieldsOf(comment.prompt), comment];
  const asSaved = [objectOf(workflow ?? tagged.get("workflow")), comment && fieldsOf(comment.workflow)];
  return (
    asRun.map((json) => json && graphOfPrompt(json)).find(Boolean) ?? asSaved.map((json) => json && graphOfWorkflow(json)).find(Boolean)
  );
}

/** The first sampler of the saved picture. Later samplers refine or enlarge it. */
function firstSampler(graph: ComfyGraph): ComfyNode | undefined {
  const seen = new Set<ComfyNode>();
  const nodes = [...graph.values()];
  const saving = nodes.filter(({ type }) => /save|preview/i.test(type));
  let first: ComfyNode | undefined;
  let next = find(
    upstream(graph, saving.length > 0 ? saving : nodes, () => true, seen),
    isSampler,
  );
  while (next) {
    first = next;
    const before = Object.values(next.inputs).flatMap((input) => linkOf(graph, input)?.node ?? []);
    next = find(
      upstream(graph, before, () => true, seen),
      isSampler,
    );
  }
  return first ?? nodes.find(isSampler);
}

function isSampler({ inputs }: ComfyNode): boolean {
  return ("steps" in inputs || "sigmas" in inputs) && ("positive" in inputs || "guider" in inputs);
}

/** Inputs that hold a part of the prompt. */
const TEXT_FIELD = /^(text|text_[glab]|string|string_[ab]|prompt|populated_text|value|clip_[lg]|t5xxl)$/;
/** Inputs between text encoder and sampler that do not lead to texts. */
const NO_TEXT = /^(clip|clip_vision\w*|control_net|image\w*|latent\w*|mask\w*|model|pixels|samples|style_model|vae)$/;

/** The texts of the positive or the negative conditioning. */
function conditioningText(graph: ComfyGraph, parts: readonly ComfyNode[], side: "positive" | "negative"): string {
  const found = new Set<string>();
  const seen = new Set<ComfyNode>();
  const begin = side === "positive" ? ["positive", "conditioning"] : ["negative"];
  const links = (inputs: readonly (Json | undefined)[]) => inputs.flatMap((input) => linkOf(graph, input) ?? []);
  const stack = parts.flatMap(({ inputs }) => links(begin.map((name) => inputs[name]))).reverse();
  for (let link = stack.pop(); link; link = stack.pop()) {
    const { node } = link;
    if (seen.has(node) || node.type === "ConditioningZeroOut") continue;
    seen.add(node);
    const { inputs } = node;
    const own = [inputs[`text_${side}`], inputs[side]].filter((input) => input !== undefined);
    const texts = own.length > 0 ? own : namedInputs(node, TEXT_FIELD);
    for (const text of texts) if (typeof text === "string" && text.trim() !== "") found.add(text);
    const rest = texts.length > 0 ? texts : Object.keys(inputs).flatMap((name) => (NO_TEXT.test(name) ? [] : [inputs[name]]));
    for (const before of links(rest).reverse()) stack.push(before);
  }
  return [...found].join("\n");
}

function namedInputs({ inputs }: ComfyNode, names: RegExp): Json[] {
  return Object.entries(inputs).flatMap(([name, input]) => (names.test(name) ? [input] : []));
}

/** The LoRAs that a node loads: one, a list of them, or numbered fields for several. */
function lorasOf(graph: ComfyGraph, { inputs }: ComfyNode): string[] {
  const named = (name: string, ...weights: readonly string[]) => {
    const value = scalar(graph, inputs, name);
    // Nodes with a LoRA field that load no LoRA.
    if (value === "None") return [];
    return loraOf(
      value,
      weights.map((weight) => scalar(graph, inputs, weight)).find((weight) => weight !== undefined),
    );
  };
  const count = Number(inputs.lora_count ?? Number.POSITIVE_INFINITY);
  const numbered = Object.keys(inputs).flatMap((name) => {
    const number = /^lora_name_(\d+)$/.exec(name)?.[1];
    if (number === undefined || Number(number) > count || inputs[`switch_${number}`] === "Off") return [];
    return named(name, `lora_wt_${number}`, `model_weight_${number}`, `model_str_${number}`);
  });
  const listed = Object.values(inputs).flatMap((input) => {
    const { on, lora, strength } = fieldsOf(input);
    return on === false ? [] : loraOf(lora, strength);
  });
  return [...named("lora_name", "strength_model", "lora_model_strength"), ...numbered, ...listed];
}

function firstValue(graph: ComfyGraph, nodes: Iterable<ComfyNode>, names: readonly string[]): Json | undefined {
  for (const { inputs } of nodes) {
    for (const name of names) {
      const value = scalar(graph, inputs, name);
      if (value !== undefined) return value;
    }
  }
  return undefined;
}

/** The value of an input. If the input is linked, the value of the node that makes it. */
function scalar(graph: ComfyGraph, inputs: JsonObject, name: string): Json | undefined {
  const input = inputs[name];
  const start = linkOf(graph, input);
  if (!start) return typeof input === "object" ? undefined : input;
  for (const node of upstream(graph, [start.node], (each) => each === name || VALUE_FIELD.test(each))) {
    const value = [node.inputs[name], ...namedInputs(node, VALUE_FIELD)].find((each) => each !== undefined && typeof each !== "object");
    if (value !== undefined) return value;
  }
  return undefined;
}

/** Inputs of nodes that make one value. */
const VALUE_FIELD = /^(value|seed|noise_seed|int|float|number|steps|cfg|string|text)$/;

function find<Item>(items: Iterable<Item>, isIt: (item: Item) => boolean): Item | undefined {
  for (const item of items) if (isIt(item)) return item;
  return undefined;
}
