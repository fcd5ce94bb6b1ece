import type { DType } from "../tensor/dtype.js";
import type { Preparation } from "./finished-graph.js";
import { DATA_TYPES, type OnnxInitializer, type OnnxModel, type OnnxNode, type OnnxPort } from "./onnx.js";

/*
 * ONNX Runtime's Cast from fp8 runs in one thread and takes ten times as long as the one from half precision. Every fp8 number is a
 * half-precision number. So weights can be widened to half precision once, when a graph is loaded, and nothing is rounded.
 */

/** Fp8 weights that lie in one such window of a file, in bytes, are widened by one preparation. */
const WINDOW = 2 ** 24;

/**
 * `model` with its fp8 weights as half-precision inputs, and the preparations that make them. A preparation depends only on its weights'
 * places, so graphs of other shapes share it.
 */
export function widenFloat8Once(model: OnnxModel): { readonly model: OnnxModel; readonly preparations: readonly Preparation[] } {
  const windows = new Map<string, OnnxInitializer[]>();
  for (const initializer of model.initializers) {
    const { dtype, data } = initializer;
    if (!isFloat8(dtype) || data instanceof Uint8Array) continue;
    const key = `${Math.floor(data.offset / WINDOW)} ${data.file.id}`;
    const window = windows.get(key) ?? [];
    windows.set(key, window);
    window.push(initializer);
  }
  const groups = [...windows.values()];
  return {
    model: {
      ...model,
      initializers: model.initializers.filter(({ dtype }) => !isFloat8(dtype)),
      inputs: [...model.inputs, ...groups.flat().map(inHalf)],
    },
    preparations: groups.map(widening),
  };
}

function isFloat8(dtype: DType): boolean {
  return dtype === "float8_e4m3fn" || dtype === "float8_e5m2";
}

function inHalf({ name, shape }: OnnxInitializer): OnnxPort {
  return { name, dtype: "float16", shape };
}

function widening(weights: readonly OnnxInitializer[]): Preparation {
  const outputs = weights.map(inHalf);
  const model: OnnxModel = {
    initializers: weights.map((weight) => ({ ...weight, name: `stored ${weight.name}` })),
    // Through float32: the runtime's Cast from fp8 to half precision takes three times as long as both casts.
    nodes: weights.flatMap(({ name }) => [cast(`stored ${name}`, `wide ${name}`, "float32"), cast(`wide ${name}`, name, "float16")]),
    inputs: [],
    outputs,
  };
  return { model, outputs };
}

function cast(input: string, output: string, dtype: DType): OnnxNode {
  return { op: "Cast", domain: "", attributes: { to: DATA_TYPES[dtype] }, inputs: [input], outputs: [output] };
}
