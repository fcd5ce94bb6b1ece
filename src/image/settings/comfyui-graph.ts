import { isObject, type Json, type JsonObject } from "../../checkpoint/json.js";
import { fieldsOf, itemsOf } from "./fields.js";

/** A node of ComfyUI's graph. */
export interface ComfyNode {
  /** Its class, such as `KSampler`. */
  readonly type: string;
  /** Values, and links to other nodes. */
  readonly inputs: JsonObject;
}

/** Nodes by id. */
export type ComfyGraph = ReadonlyMap<string, ComfyNode>;

/** The source of an input. */
export interface ComfyLink {
  readonly node: ComfyNode;
  /** Index of that node's output. */
  readonly output: number;
}

/** The graph in the form that was run (`{ "3": { "class_type": "KSampler", "inputs": {...} } }`); undefined if the object is not one. */
export function graphOfPrompt(prompt: JsonObject): ComfyGraph | undefined {
  const nodes = Object.entries(prompt).flatMap(([id, node]): [string, ComfyNode][] =>
    isObject(node) && typeof node.class_type === "string" && isObject(node.inputs)
      ? [[id, { type: node.class_type, inputs: node.inputs }]]
      : [],
  );
  return nodes.length > 0 ? new Map(nodes) : undefined;
}

/**
 * The graph in the form that the editor saves (`{ "nodes": [...], "links": [...] }`). Its values have no names: {@link WIDGETS} names them.
 */
export function graphOfWorkflow(workflow: JsonObject): ComfyGraph | undefined {
  const sources = new Map<string, readonly [id: string, output: number]>();
  for (const link of itemsOf(workflow.links)) {
    const [id, from, output] = Array.isArray(link) ? link : [fieldsOf(link).id, fieldsOf(link).origin_id, fieldsOf(link).origin_slot];
    sources.set(String(id), [String(from), Number(output)]);
  }
  const nodes = itemsOf(workflow.nodes).flatMap((node): [string, ComfyNode][] => {
    const { id, type, widgets_values: values, inputs, mode } = fieldsOf(node);
    if (typeof type !== "string" || mode === NEVER) return [];
    const links = itemsOf(inputs).flatMap((input): [string, Json][] => {
      const source = sources.get(String(fieldsOf(input).link));
      return source ? [[String(fieldsOf(input).name), source]] : [];
    });
    return [[String(id), { type, inputs: { ...widgetsOf(type, values), ...Object.fromEntries(links) } }]];
  });
  return nodes.length > 0 ? new Map(nodes) : undefined;
}

/** The link of an input, if it is linked to a node of the graph. */
export function linkOf(graph: ComfyGraph, input: Json | undefined): ComfyLink | undefined {
  const [id, output] = Array.isArray(input) && input.length === 2 ? input : [];
  const node = typeof id === "string" || typeof id === "number" ? graph.get(String(id)) : undefined;
  return node && typeof output === "number" ? { node, output } : undefined;
}

/** The nodes `starts` and all nodes that they depend on through inputs that `follow` accepts: nearest first, every node once. */
export function* upstream(
  graph: ComfyGraph,
  starts: readonly ComfyNode[],
  follow: (input: string, node: ComfyNode) => boolean,
  seen = new Set<ComfyNode>(),
): Generator<ComfyNode> {
  const queue = [...starts];
  // An index, because shift() takes time proportional to the queue's length.
  for (let i = 0; i < queue.length; i++) {
    const node = queue[i] as ComfyNode;
    if (seen.has(node)) continue;
    seen.add(node);
    yield node;
    for (const [name, input] of Object.entries(node.inputs)) {
      const link = follow(name, node) ? linkOf(graph, input) : undefined;
      if (link) queue.push(link.node);
    }
  }
}

/** The editor's mode for nodes that never run. */
const NEVER = 2;

/** Names of the values of common nodes, in the editor's order. */
const WIDGETS: Readonly<Record<string, readonly string[]>> = {
  BasicScheduler: ["scheduler", "steps", "denoise"],
  CFGGuider: ["cfg"],
  CLIPSetLastLayer: ["stop_at_clip_layer"],
  CLIPTextEncode: ["text"],
  CheckpointLoaderSimple: ["ckpt_name"],
  EmptyLatentImage: ["width", "height", "batch_size"],
  EmptySD3LatentImage: ["width", "height", "batch_size"],
  FluxGuidance: ["guidance"],
  KSampler: ["seed", "control_after_generate", "steps", "cfg", "sampler_name", "scheduler", "denoise"],
  KSamplerAdvanced: ["add_noise", "noise_seed", "control_after_generate", "steps", "cfg", "sampler_name", "scheduler"],
  KSamplerSelect: ["sampler_name"],
  LoraLoader: ["lora_name", "strength_model", "strength_clip"],
  LoraLoaderModelOnly: ["lora_name", "strength_model"],
  PrimitiveNode: ["value"],
  RandomNoise: ["noise_seed"],
  SamplerCustom: ["add_noise", "noise_seed", "control_after_generate", "cfg"],
  UNETLoader: ["unet_name"],
};

function widgetsOf(type: string, values: Json | undefined): JsonObject {
  if (isObject(values)) return values;
  const names = Object.hasOwn(WIDGETS, type) ? (WIDGETS[type] ?? []) : [];
  return Object.fromEntries(itemsOf(values).flatMap((value, i) => (names[i] === undefined ? [] : [[names[i], value]])));
}
