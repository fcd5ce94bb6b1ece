import type { Value } from "../graph/graph.js";
import type { Tensor } from "../tensor/tensor.js";

/** The hidden states of a transformer as results of its graph. */
export function statesAsOutputs(states: readonly Value[]): Readonly<Record<string, Value>> {
  return Object.fromEntries(states.map((state, i) => [nameOf(i), state]));
}

/** The hidden states among a graph's results, in the order of the layers. */
export function statesFrom(outputs: Readonly<Record<string, Tensor>>): Tensor[] {
  const states: Tensor[] = [];
  for (let state = outputs[nameOf(0)]; state; state = outputs[nameOf(states.length)]) states.push(state);
  return states;
}

function nameOf(index: number): string {
  return `hidden_state_${index}`;
}
