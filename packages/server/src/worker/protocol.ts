import type { JobError, NewJob, Preview, Progress, StoredPicture } from "../jobs/job.js";
import type { Offer } from "../models/offer.js";

// Messages between a supervisor and the process that has the models. They are structured clones, so bytes and dates pass as they are.

/** Both sides are files of one package. An update of the package while the server runs is the way to two versions. */
export const PROTOCOL_VERSION = 1;

/** What the supervisor sends. */
export type ToChild =
  /** The first message. */
  | { readonly type: "start"; readonly offer: Offer; readonly memoryBudget: number }
  /** A job to do. There is one at a time. */
  | { readonly type: "job"; readonly order: JobOrder }
  /** The current job is to end between two steps. */
  | { readonly type: "cancel"; readonly id: string }
  /** The process is to free everything and to end. */
  | { readonly type: "stop" };

/** What the process of the models sends. */
export type FromChild =
  /** It has loaded its code and listens. */
  | { readonly type: "hello"; readonly version: number }
  /** Sent every second, and before the end of a job. */
  | ({ readonly type: "state" } & ChildState)
  | { readonly type: "step"; readonly id: string; readonly progress: Progress }
  | { readonly type: "preview"; readonly id: string; readonly picture: number; readonly image: Preview }
  | { readonly type: "picture"; readonly id: string; readonly picture: EncodedPicture }
  | { readonly type: "end"; readonly id: string; readonly end: JobEnd };

/** A job as the process gets it. */
export interface JobOrder extends NewJob {
  readonly id: string;
}

/** What a process holds. */
export interface ChildState {
  /** Bytes of memory that are in use (resident set size). */
  readonly memory: number;
  /** The names of the models that are open. */
  readonly models: readonly string[];
}

/** A finished picture, encoded. */
export interface EncodedPicture extends Omit<StoredPicture, "id" | "hash" | "bytes"> {
  readonly bytes: Uint8Array;
}

/** How a job ended in the process. Its pictures went before. */
export type JobEnd =
  | {
      readonly kind: "done";
      readonly settings: Readonly<Record<string, unknown>>;
      readonly warnings: readonly string[];
      readonly seconds: { readonly load: number; readonly generate: number };
    }
  | { readonly kind: "cancelled" }
  | {
      readonly kind: "failed";
      readonly error: JobError;
      /** The process may be damaged: a device failed, or memory ran out. */
      readonly isUnsafe: boolean;
    };
