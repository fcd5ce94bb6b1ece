import type { Graph } from "../../src/graph/graph.js";
import { encodeModel, type OnnxModel } from "../../src/graph/onnx.js";

/** A graph's model as an `.onnx` file in which the ids of its files name them. */
export function onnxOf(graph: Graph | { readonly model: OnnxModel }): Uint8Array {
  const { model } = "finish" in graph ? graph.finish() : graph;
  return encodeModel(model, ({ id }) => id);
}

/** The same as text, to search for names of operations and weights. */
export function onnxText(graph: Graph | { readonly model: OnnxModel }): string {
  return Buffer.from(onnxOf(graph)).toString("latin1");
}
