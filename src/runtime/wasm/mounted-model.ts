import { DATA_TYPES, encodeModel, type OnnxInitializer, type OnnxModel, type OnnxNode } from "../../graph/onnx.js";
import { byteSize, type DType } from "../../tensor/dtype.js";
import type { FileRef } from "../../tensor/stored-tensor.js";
import { sizeOf } from "../../tensor/tensor.js";
import type { EncodedModel } from "../engine-host.js";
import type { WeightMount } from "./weight-mount.js";

/*
 * The WebAssembly builds of ONNX Runtime have no file system of the machine. They take "external data" by names, cut offsets in it to 32
 * bits, and never free it before the session exists. So each weight is given to them as a file of its own, which is read when it is needed.
 */

/** How a model is encoded for a WebAssembly build. */
export interface MountOptions {
  /**
   * Whether floats of other types than the graph computes in are converted when they are read. The WebGPU builds need this: their CPU
   * provider has no bfloat16 and no float64, and what the runtime converts itself goes through its heap of 4 GB. By default the graph's own
   * nodes convert in every run, so that the heap holds half-precision weights.
   */
  readonly convertsWeights?: boolean;
}

/** Encodes a model whose weights are mounted one by one. */
export async function encodeMounted(model: OnnxModel, { convertsWeights = false }: MountOptions = {}): Promise<EncodedModel> {
  const { nodes, initializers, inputs, outputs } = convertsWeights ? withoutWeightCasts(model) : model;
  const mounts: WeightMount[] = [];
  const stored = new Map(model.initializers.map(({ name, dtype }) => [name, dtype]));
  const mounted = initializers.map((initializer): OnnxInitializer => {
    const { name, dtype, shape, data } = initializer;
    if (data instanceof Uint8Array) return initializer;
    const path = `weight${mounts.length}`;
    mounts.push({ path, ...data, from: stored.get(name) ?? dtype, to: dtype });
    return { name, dtype, shape, data: { file: { id: path }, offset: 0, length: sizeOf(shape) * byteSize(dtype) } };
  });
  const bytes = await encodeModel({ nodes, initializers: mounted, inputs, outputs }, ({ id }: FileRef) => id);
  return { bytes, sessionConfig: {}, mounts };
}

/** The floats that a file can hold and a graph is not computed in. */
const STORED_FLOATS: readonly DType[] = ["float64", "bfloat16", "float16", "float8_e4m3fn", "float8_e5m2"];

/**
 * The model with each float weight of a file in the type that its nodes cast it to, and without these nodes. Weights that are used in
 * several types, or in one that the WebGPU builds lack, become float32.
 */
function withoutWeightCasts(model: OnnxModel): OnnxModel {
  const users = new Map<string, OnnxNode[]>();
  for (const node of model.nodes) {
    for (const input of new Set(node.inputs)) {
      const known = users.get(input);
      if (known) known.push(node);
      else users.set(input, [node]);
    }
  }
  /** The types of converted weights, by name. */
  const types = new Map<string, DType>();
  for (const { name, dtype, data } of model.initializers) {
    if (data instanceof Uint8Array || !(dtype === "float32" || STORED_FLOATS.includes(dtype))) continue;
    const nodes = users.get(name) ?? [];
    const areCasts = (to: DType) => nodes.length > 0 && nodes.every((node) => castOf(node) === DATA_TYPES[to]);
    // A half-precision weight that is used as it is belongs to a graph in half precision.
    const staysHalf = dtype === "float16" && !areCasts("float32");
    types.set(name, staysHalf || areCasts("float16") ? "float16" : "float32");
  }
  /** Names of casts' results that are the weights themselves, now. */
  const same = new Map<string, string>();
  const nodes = model.nodes.filter((node) => {
    const [input = ""] = node.inputs;
    const type = types.get(input);
    if (type === undefined || castOf(node) !== DATA_TYPES[type]) return true;
    for (const output of node.outputs) same.set(output, input);
    return false;
  });
  return {
    ...model,
    nodes: nodes.map((node) => ({ ...node, inputs: node.inputs.map((input) => same.get(input) ?? input) })),
    initializers: model.initializers.map((each) => ({ ...each, dtype: types.get(each.name) ?? each.dtype })),
  };
}

/** The type that a node casts to; undefined for other nodes. */
function castOf({ op, attributes }: OnnxNode): OnnxNode["attributes"][string] | undefined {
  return op === "Cast" ? attributes.to : undefined;
}
