import type { GenerateRequest } from "darkroom/generate";

/** The APIs that jobs come through. */
export const DOORS = ["api", "openai", "a1111", "huggingface"] as const;

/** The API that a job came through. Interrupting one API's jobs leaves those of the others alone. */
export type Door = (typeof DOORS)[number];

export const JOB_STATES = ["waiting", "running", "done", "failed", "cancelled"] as const;

/** "waiting" and "running" jobs are live; the other states are final. */
export type JobState = (typeof JOB_STATES)[number];

/** The formats of finished pictures. */
export const OUTPUT_FORMATS = ["png", "jpeg", "webp"] as const;

/** Pictures to make. Pictures in the request are base64 texts, so that a job is JSON. */
export interface NewJob {
  readonly door: Door;
  /** The name of a model of this server, not a path. */
  readonly model: string;
  /** What is made; `model` and where it runs are the server's to fill in. */
  readonly request: GenerateRequest;
  /** How pictures are encoded. */
  readonly output: OutputOptions;
  /** A preview picture every this many steps; 0: none. */
  readonly previewEvery: number;
}

/** How pictures are encoded. */
export interface OutputOptions {
  readonly format: (typeof OUTPUT_FORMATS)[number];
  /** 1 to 100, of JPEG and WebP. */
  readonly quality?: number | undefined;
}

/** Who sends a job, and by which key it is known if it is sent again. */
export interface SubmitOptions {
  /** The caller: API key or address. Turns go round the owners. */
  readonly owner: string;
  /** The Idempotency-Key: the same owner and key give the job that is there already. */
  readonly key?: string | undefined;
}

/**
 * A job as the queue has it. The pictures in its request (`image`, `maskImage`, `depthMap`, `controlImage`) are there for its handler only,
 * and dropped when it ends.
 */
export interface Job extends NewJob {
  readonly id: string;
  readonly owner: string;
  readonly state: JobState;
  /** Place in the queue: 0 while it runs, 1 for the next one to run; undefined in a final state. */
  readonly position: number | undefined;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly startedAt: number | undefined;
  readonly endedAt: number | undefined;
  /** Steps of all pictures of the job. */
  readonly progress: Progress | undefined;
  /** Times that it brought its process down. */
  readonly crashes: number;
  /** In the state "done". */
  readonly result: JobResult | undefined;
  /** In the state "failed". */
  readonly error: JobError | undefined;
}

/** How far a job is. */
export interface Progress {
  /** The picture that is being made, from 0. */
  readonly picture: number;
  readonly pictures: number;
  /** Steps done of this picture. */
  readonly step: number;
  readonly steps: number;
}

/** What was made. */
export interface JobResult {
  readonly pictures: readonly StoredPicture[];
  /** What the run worked with: scheduler, steps, guidance, seeds, device, ... as the settings of `darkroom/generate` have them. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Warnings of the run, for replies. */
  readonly warnings: readonly string[];
  /** Seconds of loading and of making. */
  readonly seconds: { readonly load: number; readonly generate: number };
}

/** A picture in the result store. */
export interface StoredPicture {
  /** A random name, for addresses: it cannot be guessed. */
  readonly id: string;
  /** SHA-256 of its bytes, by which the store keeps it. */
  readonly hash: string;
  readonly bytes: number;
  readonly type: "image/png" | "image/jpeg" | "image/webp";
  readonly width: number;
  readonly height: number;
  /** Digits, since seeds go up to 2^64 - 1. */
  readonly seed: string;
  /** The settings as AUTOMATIC1111's web UI writes them. */
  readonly parameters: string;
}

/** Why a job failed. */
export interface JobError {
  /**
   * "argument": the request made no sense; "checkpoint", "device": what the library threw; "crashed": its process ended twice; "unserved":
   * no worker has its model; "internal".
   */
  readonly kind: "argument" | "checkpoint" | "device" | "crashed" | "unserved" | "internal";
  readonly message: string;
  readonly hint?: string | undefined;
  /** The request's option that is wrong. */
  readonly argument?: string | undefined;
}

/** What happens to a job, in order. */
export type JobEvent = { readonly id: number } & JobEventBody;

export type JobEventBody =
  | { readonly type: "waiting"; readonly position: number }
  | { readonly type: "running" }
  | ({ readonly type: "step" } & Progress)
  | { readonly type: "preview"; readonly picture: number; readonly image: Preview }
  | { readonly type: "done"; readonly result: JobResult }
  | { readonly type: "failed"; readonly error: JobError }
  | { readonly type: "cancelled" };

/** A small picture of an unfinished one. */
export interface Preview {
  readonly type: "image/jpeg" | "image/png" | "image/webp";
  readonly base64: string;
}
