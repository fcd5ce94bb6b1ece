import type { FileRef } from "../tensor/stored-tensor.js";
import type { OnnxModel, OnnxPort } from "./onnx.js";
import type { GraphMemory } from "./working-memory.js";

/** A graph that can be loaded. Its weights are ranges of the platform's files. */
export interface FinishedGraph {
  readonly model: OnnxModel;
  /** How many numbers the largest of its intermediate results has. */
  readonly largestValue?: number;
  /** How many numbers the largest weight has that each run converts. */
  readonly largestWidened?: number;
  /** What a run needs. */
  readonly memory?: GraphMemory;
  /** What is computed once, when the graph is loaded. Preparations run one after another, to bound the memory. */
  readonly preparations?: readonly Preparation[];
}

/**
 * A graph without inputs whose outputs another graph needs. With a `file`, they are written there and are weights of the other graph;
 * without one, they are fed to each of its runs.
 */
export interface Preparation {
  readonly model: OnnxModel;
  readonly outputs: readonly PreparedPort[];
  readonly file?: FileRef;
}

/** A result of a preparation. */
export interface PreparedPort extends OnnxPort {
  /** Its place in the preparation's file, if there is one. */
  readonly offset?: number;
}
