import type { FinishedGraph } from "../../src/graph/finished-graph.js";
import { DATA_TYPES, type OnnxInitializer, type OnnxNode } from "../../src/graph/onnx.js";

/*
 * What the CUDA provider's operators compute, in operators that the CPU has, too. So tests see on the CPU whether graphs for CUDA are
 * written well. What an operator means is read in ONNX Runtime's schemas (contrib_ops/diffusion_defs.cc) and kernels.
 */

type Attributes = OnnxNode["attributes"];

/** The graph with the CUDA provider's operators written out. */
export function withoutProviderOperators(graph: FinishedGraph): FinishedGraph {
  const { model } = graph;
  const initializers: OnnxInitializer[] = [...model.initializers];
  const nodes: OnnxNode[] = [];
  let count = 0;
  const integers = (...values: number[]) => {
    const name = `written-out-c${count++}`;
    initializers.push({ name, dtype: "int64", shape: [values.length], data: new Uint8Array(BigInt64Array.from(values, BigInt).buffer) });
    return name;
  };
  const floats = (length: number, value: number) => {
    const name = `written-out-c${count++}`;
    initializers.push({ name, dtype: "float32", shape: [length], data: new Uint8Array(new Float32Array(length).fill(value).buffer) });
    return name;
  };
  const node = (op: string, inputs: string[], attributes: Attributes = {}, { output = `written-out-${count++}`, domain = "" } = {}) => {
    nodes.push({ op, domain, inputs, outputs: [output], attributes });
    return output;
  };
  const transpose = (x: string, perm: number[], output?: string) => node("Transpose", [x], { perm }, { ...(output && { output }) });

  for (const each of model.nodes) {
    const { op, inputs, attributes } = each;
    const [x = "", second = "", third = ""] = inputs;
    const output = each.outputs[0] as string;
    if (op === "NhwcConv") {
      const weight = transpose(second, [0, 3, 1, 2]);
      transpose(node("Conv", [transpose(x, [0, 3, 1, 2]), weight, ...inputs.slice(2)], attributes), [0, 2, 3, 1], output);
    } else if (op === "GroupNorm") {
      const groups = attributes.groups as number;
      const picture = transpose(node("Cast", [x], { to: DATA_TYPES.float32 }), [0, 3, 1, 2]);
      const grouped = node("Reshape", [picture, integers(0, groups, -1)]);
      const { epsilon = { float: 1e-5 } } = attributes;
      const normed = node("InstanceNormalization", [grouped, floats(groups, 1), floats(groups, 0)], { epsilon });
      const whole = node("Reshape", [normed, node("Shape", [picture])]);
      const perChannel = (weight: string) => node("Reshape", [weight, integers(-1, 1, 1)]);
      const scaled = node("Add", [node("Mul", [whole, perChannel(second)]), perChannel(third)]);
      const isActive = attributes.activation === 1;
      const active = isActive ? node("QuickGelu", [scaled], { alpha: { float: 1 } }, { domain: "com.microsoft" }) : scaled;
      node("CastLike", [transpose(active, [0, 2, 3, 1]), x], {}, { output });
    } else if (op === "BiasSplitGelu") {
      const sum = node("Add", [x, second]);
      const [value, gate] = [`written-out-${count++}`, `written-out-${count++}`];
      nodes.push({ op: "Split", domain: "", inputs: [sum], outputs: [value, gate], attributes: { axis: -1, num_outputs: 2 } });
      node("Mul", [value, node("Gelu", [gate], { approximate: "none" })], {}, { output });
    } else nodes.push(each);
  }
  return { ...graph, model: { ...model, nodes, initializers } };
}
