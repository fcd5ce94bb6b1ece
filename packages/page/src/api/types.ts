// What the page reads of the server's answers. The server's own types are in packages/server/src: jobs/job.ts, http/api, models.

export type JobStateName = "waiting" | "running" | "done" | "failed" | "cancelled";

/** How far a job is. */
export interface Progress {
  /** The picture that is being made, from 0. */
  readonly picture: number;
  readonly pictures: number;
  /** Steps done of this picture. */
  readonly step: number;
  readonly steps: number;
}

/** A finished picture. */
export interface Picture {
  readonly id: string;
  readonly bytes: number;
  readonly type: string;
  readonly width: number;
  readonly height: number;
  readonly seed: string;
  /** The settings as AUTOMATIC1111's web UI writes them. */
  readonly parameters: string;
}

export interface JobResult {
  readonly pictures: readonly Picture[];
  /** What the run worked with. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly warnings: readonly string[];
  readonly seconds: { readonly load: number; readonly generate: number };
}

/** Why a job failed. */
export interface JobError {
  readonly kind: string;
  readonly message: string;
  readonly hint?: string;
  /** The field of the request that is wrong. */
  readonly argument?: string;
}

/** A LoRA of a request. */
export interface LoraRequest {
  readonly name?: string;
  readonly weight?: number;
  readonly unetWeight?: number;
}

/** The fields of a request that the page knows. There can be more, by other clients. */
export interface JobRequest {
  readonly prompt?: string;
  readonly negativePrompt?: string;
  readonly width?: number;
  readonly height?: number;
  readonly numInferenceSteps?: number;
  readonly guidanceScale?: number;
  readonly scheduler?: string;
  readonly seed?: number | string;
  readonly numImagesPerPrompt?: number;
  readonly strength?: number;
  readonly loras?: readonly LoraRequest[];
  readonly [option: string]: unknown;
}

export type Format = "png" | "jpeg" | "webp";

export interface Job {
  readonly id: string;
  readonly state: JobStateName;
  /** 0 while it runs, 1 for the next one to run. */
  readonly position?: number;
  readonly model: string;
  /** Without the pictures that were sent. */
  readonly request: JobRequest;
  readonly output: { readonly format: Format; readonly quality?: number };
  /** Milliseconds since 1970, of the server's clock. */
  readonly createdAt: number;
  readonly startedAt?: number;
  readonly endedAt?: number;
  readonly progress?: Progress;
  readonly result?: JobResult;
  readonly error?: JobError;
}

export type JobEvent =
  | { readonly type: "waiting"; readonly position: number }
  | { readonly type: "running" }
  | ({ readonly type: "step" } & Progress)
  | { readonly type: "preview"; readonly picture: number; readonly image: { readonly type: string; readonly base64: string } }
  | { readonly type: "done"; readonly result: JobResult }
  | { readonly type: "failed"; readonly error: JobError }
  | { readonly type: "cancelled" };

/** What a picture of the page starts from; the server knows more. */
export type StartKind = "noise" | "image" | "mask";

export interface Defaults {
  readonly steps: number;
  /** Undefined for a model without prompts. */
  readonly guidance?: number;
  readonly strength?: number;
}

export interface Model {
  readonly name: string;
  readonly state: "ready" | "not-downloaded" | "unreadable";
  readonly family?: string;
  readonly defaults?: {
    readonly takesPrompt: boolean;
    readonly starts: Readonly<Partial<Record<StartKind, Defaults>>>;
    readonly examplePrompts?: readonly string[];
  };
  /** The scheduler's class. */
  readonly scheduler?: string;
  /** Side in pixels of the pictures it was trained on. */
  readonly size?: number;
}

export interface Limits {
  readonly maxBodyBytes: number;
  readonly maxPromptLength: number;
  readonly maxPixels: number;
  readonly maxPicturePixels: number;
  readonly maxSteps: number;
  readonly maxBatch: number;
}

/** Everything that requests can name. */
export interface Offer {
  readonly default: string;
  readonly models: readonly Model[];
  readonly loras: readonly string[];
  readonly controlnets: readonly string[];
  readonly embeddings: readonly string[];
  readonly schedulers: readonly string[];
  readonly limits: Limits;
}
