import type { Graph } from "../../src/graph/graph.js";
import { encodeModel, type OnnxModel } from "../../src/graph/onnx.js";

/** A graph's model as an `.onnx` file in which the ids of its files name them. */
export async function onnxOf(graph: Graph | { readonly model: OnnxModel }): Promise<Uint8Array> {
  const { model } = "finish" in graph ? graph.finish() : graph;
  return encodeModel(model, ({ id }) => id);
}

/** The same as text, to search for names of operations and weights. */
export async function onnxText(graph: Graph | { readonly model: OnnxModel }): Promise<string> {
  return Buffer.from(await onnxOf(graph)).toString("latin1");
}
