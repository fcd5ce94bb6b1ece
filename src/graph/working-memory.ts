import type { OnnxModel, OnnxNode } from "./onnx.js";

/** Memory that a graph needs, in bytes. */
export interface GraphMemory {
  /** The weights that it maps from files. */
  readonly weights: number;
  /**
   * The most that its inputs and intermediate results take at once, at least. The runtime may keep more: it plans by shapes, and operations
   * have memory of their own.
   */
  readonly working: number;
}

/** Operations whose result is their input under another shape. */
const VIEWS: ReadonlySet<string> = new Set(["Reshape", "Identity", "Squeeze", "Unsqueeze", "Flatten"]);

/** Operations that read an input while they write the result, so that one cannot take the other's place. */
const APART: ReadonlySet<string> = new Set(["Conv", "Gemm", "MatMul", "MatMulNBits", "MultiHeadAttention", "Transpose"]);

/**
 * The memory that a graph needs. `sizes` has the bytes of each value. Nodes in `late` are computed right before the first node that needs
 * them, others in their order.
 */
export function memoryOf(model: OnnxModel, sizes: ReadonlyMap<string, number>, late: ReadonlySet<OnnxNode>): GraphMemory {
  const weights = model.initializers.reduce((sum, { data }) => sum + (data instanceof Uint8Array ? 0 : data.length), 0);
  const order = inOrder(model.nodes, late);
  const roots = new Map<string, string>();
  const rootOf = (name: string) => roots.get(name) ?? name;
  for (const { op, inputs, outputs } of order) if (VIEWS.has(op)) roots.set(outputs[0] ?? "", rootOf(inputs[0] ?? ""));

  const lastUse = new Map<string, number>();
  for (const [i, { inputs }] of order.entries()) for (const name of inputs) lastUse.set(rootOf(name), i);
  for (const { name } of [...model.inputs, ...model.outputs]) lastUse.set(rootOf(name), order.length);

  const bytesOf = (name: string) => sizes.get(name) ?? 0;
  let live = model.inputs.reduce((sum, { name }) => sum + bytesOf(name), 0);
  let most = live;
  for (const [i, { op, inputs, outputs }] of order.entries()) {
    const ending = [...new Set(inputs.map(rootOf))].filter((name) => lastUse.get(name) === i).map(bytesOf);
    const made = VIEWS.has(op) ? [] : outputs.map(bytesOf);
    // The runtime may write a result over an input of the same size that nobody needs any more.
    const spare = APART.has(op) ? [] : [...ending];
    const reused = made.reduce((sum, bytes) => sum + (take(spare, bytes) ? bytes : 0), 0);
    const added = made.reduce((sum, bytes) => sum + bytes, 0) - reused;
    most = Math.max(most, live + added);
    live += made.reduce((sum, bytes) => sum + bytes, 0) - ending.reduce((sum, bytes) => sum + bytes, 0);
  }
  return { weights, working: most };
}

/** The nodes in the order in which they are computed. */
function inOrder(nodes: readonly OnnxNode[], late: ReadonlySet<OnnxNode>): readonly OnnxNode[] {
  const waiting = new Map<string, OnnxNode>();
  const order: OnnxNode[] = [];
  const compute = (node: OnnxNode) => {
    for (const name of node.inputs) {
      const needed = waiting.get(name);
      if (!needed) continue;
      for (const output of needed.outputs) waiting.delete(output);
      compute(needed);
    }
    order.push(node);
  };
  for (const node of nodes) {
    if (late.has(node)) for (const name of node.outputs) waiting.set(name, node);
    else compute(node);
  }
  return order;
}

/** Whether `values` had this value, which is removed once. */
function take(values: number[], value: number): boolean {
  const i = values.indexOf(value);
  if (i >= 0) values.splice(i, 1);
  return i >= 0;
}
