import type { InferenceSession } from "onnxruntime-node";
import type { PreparedPort } from "../../graph/encode.js";
import type { NamedTensors } from "../../runtime/engine.js";

/** A model without inputs that is run once, and what it gives: what is fed to every run, or, written to a file, further weights. */
export interface PreparationTask {
  readonly model: Uint8Array;
  readonly options: InferenceSession.SessionOptions;
  readonly outputs: readonly PreparedPort[];
  readonly file?: string | undefined;
}

/** A model to be loaded, and what is prepared for it. */
export interface LoadTask {
  readonly kind: "load";
  readonly model: Uint8Array;
  readonly options: InferenceSession.SessionOptions;
  readonly preparations: readonly PreparationTask[];
  /** The session ends after each run, which gives its memory back, and is made anew for the next. */
  readonly endsAfterRun: boolean;
}

/** What the runtime's thread can be asked. */
export type WorkerTask =
  | LoadTask
  | {
      readonly kind: "run";
      readonly session: number;
      readonly feeds: NamedTensors;
      /** Names of the feeds that change hands, and come back among the outputs. */
      readonly lent: readonly string[];
    }
  | { readonly kind: "release"; readonly session: number }
  | { readonly kind: "stop" };

/** A task and its number. */
export type WorkerCall = WorkerTask & { readonly id: number };

/** What came of the call of that number. */
export interface WorkerAnswer {
  readonly id: number;
  readonly session?: number;
  readonly outputs?: NamedTensors;
  readonly error?: string;
}

/**
 * What the thread is doing, in memory that both sides share. ONNX Runtime's addon aborts the whole process if its thread is ended while it is
 * at work (node-addon-api cannot throw into a thread that is being ended), so that whoever ends it waits until it is idle, and closes it.
 */
export const THREAD_STATE = { idle: 0, busy: 1, closed: 2 } as const;
