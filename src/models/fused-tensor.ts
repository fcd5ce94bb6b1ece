import { ArgumentError } from "../errors.js";
import { Graph, type Value } from "../graph/graph.js";
import { changesWeight } from "../graph/layer-change.js";
import { Scope, type WeightSource } from "../graph/scope.js";
import { adaptedBias, adaptedGain, adaptedWeight } from "../layers/adapters.js";
import type { NetworkAdapters } from "../lora/network-adapters.js";
import type { Engine } from "../runtime/engine.js";
import type { Shape, Tensor } from "../tensor/tensor.js";

/** Whether fused adapters change the tensor `name`. */
export function isFused(name: string, adapters: NetworkAdapters): boolean {
  const { path, kind } = layerOf(name);
  const changes = adapters.fusedIn(path);
  return kind === "bias"
    ? changes.some(({ change }) => change.bias)
    : changes.some(({ change }) => kind === "weight" && changesWeight(change));
}

/** The tensor `name` of `shape` with fused adapters, as the network computes with it. */
export async function fusedTensor(
  name: string,
  shape: Shape,
  { weights, adapters, engine }: { readonly weights: WeightSource; readonly adapters: NetworkAdapters; readonly engine: Engine },
): Promise<Tensor> {
  const { path, kind } = layerOf(name);
  const graph = new Graph({ capabilities: engine.capabilities });
  const changes = { added: () => [], fused: (layer: string) => adapters.fusedIn(layer) };
  const value = changed(new Scope(graph, weights, "", changes).at(path), kind, shape);
  graph.output("value", graph.cast(value, "float32"));
  const session = await engine.load(graph.finish());
  try {
    return (await session.run({})).value as Tensor;
  } finally {
    await session.release();
  }
}

/** @throws ArgumentError if a fused adapter adds a bias to a layer that has none: a checkpoint cannot hold it. */
export function expectSavable(weights: WeightSource, adapters: NetworkAdapters): void {
  const path = adapters.fusedPaths.find(
    (layer) => adapters.fusedIn(layer).some(({ change }) => change.bias) && !weights.has(`${layer}.bias`),
  );
  if (path === undefined) return;
  throw new ArgumentError(`a fused adapter adds a bias to ${path}, which has none; the network cannot be saved with it`, {
    hint: "unfuse the adapter first: unfuseLora()",
  });
}

function changed(w: Scope, kind: string, shape: Shape): Value {
  if (kind === "bias") {
    const bias = w.tensor("bias", shape);
    return adaptedBias(bias, w, shape) ?? bias;
  }
  if (shape.length === 1) return adaptedGain(w.tensor("weight", shape), w);
  return adaptedWeight(w.tensor("weight", shape), w, (own) => own.tensor("weight", shape, shape, "float32"));
}

function layerOf(name: string): { readonly path: string; readonly kind: string } {
  const dot = name.lastIndexOf(".");
  return { path: name.slice(0, Math.max(dot, 0)), kind: name.slice(dot + 1) };
}
