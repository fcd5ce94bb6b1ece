import type { PreparedPort } from "../graph/finished-graph.js";
import type { DType } from "../tensor/dtype.js";
import type { FileRef } from "../tensor/stored-tensor.js";
import type { Tensor } from "../tensor/tensor.js";
import type { ResolvedDevice } from "./device.js";
import type { WeightMount } from "./wasm/weight-mount.js";

/** The session options of ONNX Runtime that Darkroom sets; the same in Node and in browsers. */
export interface SessionOptions {
  readonly executionProviders: readonly (ResolvedDevice | { readonly name: ResolvedDevice; readonly deviceId: number })[];
  readonly graphOptimizationLevel: "disabled" | "extended";
  readonly enableCpuMemArena?: boolean;
  readonly enableMemPattern?: boolean;
  readonly intraOpNumThreads?: number;
  readonly enableProfiling?: boolean;
  readonly profileFilePrefix?: string;
  readonly extra: Readonly<Record<string, unknown>>;
}

/** A tensor as it is sent between threads: without its class. */
export type TensorData = Pick<Tensor<DType>, "dtype" | "shape" | "data">;

/** Tensors by the names of a model's inputs or outputs. */
export type NamedData = Readonly<Record<string, TensorData>>;

/**
 * A model without inputs. It is run once, when another model is loaded. Its outputs are fed to every run of that model, or, if there is a
 * file, written to it and read as that model's weights.
 */
export interface PreparationTask {
  readonly model: Uint8Array<ArrayBuffer>;
  readonly options: SessionOptions;
  readonly outputs: readonly PreparedPort[];
  readonly file?: FileRef | undefined;
  readonly mounts?: readonly WeightMount[] | undefined;
}

/** A model to load, and its preparations. */
export interface LoadTask {
  readonly kind: "load";
  readonly model: Uint8Array<ArrayBuffer>;
  readonly options: SessionOptions;
  readonly preparations: readonly PreparationTask[];
  readonly mounts?: readonly WeightMount[] | undefined;
  /** The session ends after each run, which frees its memory, and is created again for the next run. */
  readonly endsAfterRun: boolean;
}

/** One run of a loaded model. */
export interface RunTask {
  readonly kind: "run";
  readonly session: number;
  readonly feeds: NamedData;
  /** Names of the feeds that move to the thread, and come back among the outputs. */
  readonly lent: readonly string[];
}

/**
 * The requests that the runtime's thread answers. "wait" is answered when the runtime is loaded, and "stop" when all tasks before it are
 * done.
 */
export type Task =
  | LoadTask
  | RunTask
  | { readonly kind: "release"; readonly session: number }
  | { readonly kind: "wait" }
  | { readonly kind: "stop" };

/** The thread's answer to a task: a session to "load", outputs to "run". */
export interface Answer {
  readonly session?: number;
  readonly outputs?: NamedData;
}

/** A thread that runs ONNX Runtime. Tasks are done one after another, in the order in which they were sent. */
export interface Transport {
  /** Whether the thread takes no more tasks. */
  readonly hasEnded: boolean;
  /**
   * Sends a task. The buffers in `transfer` move to the thread. `onRead` is called with the number of bytes of weights that the thread has
   * read since, if it can tell.
   * @throws DeviceError if the thread has ended, or ends before it answers; Error with ONNX Runtime's message if the task fails.
   */
  ask(task: Task, transfer?: readonly ArrayBuffer[], onRead?: (bytes: number) => void): Promise<Answer>;
  /** Ends the thread after the tasks sent so far. */
  stop(): Promise<void>;
}
