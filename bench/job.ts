/** The tasks of a measured process. */
export type Task =
  /** The denoising network on `2 * batch` latents: with and without the prompt, for guidance. */
  | "unet"
  /** Z-Image's transformer, once, on one picture and a text. */
  | "transformer"
  | "vae-decode"
  | "vae-encode"
  /** The text encoders on `2 * batch` prompts of full length. */
  | "text"
  /** From the start of the process to the end of the first denoising step. */
  | "start"
  /** A whole picture: open the checkpoint, make the picture, write the PNG. */
  | "picture"
  /** A peer's preparation before the measurements, such as converting the checkpoint. */
  | "prepare";

/** The work of one measured process. It is passed as JSON, in the last argument. */
export interface Job {
  readonly task: Task;
  /** Folder of the checkpoint. */
  readonly checkpoint: string;
  /** Folder for a peer's conversion of the checkpoint. */
  readonly prepared: string;
  /** Pixels along each side of the pictures. */
  readonly size: number;
  /** Latents along each side. */
  readonly latents: number;
  /** Tokens of a prompt of full length; for Z-Image, tokens of a text. */
  readonly tokens: number;
  /** Pictures at once. */
  readonly batch: number;
  /** Measured calls, after one that is not. */
  readonly repeats: number;
  /** Denoising steps of a picture. */
  readonly steps: number;
  /** Where a picture is written. */
  readonly out: string;
  /** The options of the contender: Darkroom's, or a peer's own. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Darkroom only: the prefix of ONNX Runtime's profile files. */
  readonly profile?: string;
}

/** The reports of a measured process, each one a line of JSON. */
export type Report =
  /** How long a call took, and the processor time of all threads. */
  | { readonly event: "call"; readonly seconds: number; readonly processor?: number }
  /** The process has reached a point, after this much processor time. The parent measures the time since the start. */
  | { readonly event: "mark"; readonly name: string; readonly processor?: number }
  | { readonly event: "versions"; readonly versions: Readonly<Record<string, string>> }
  | { readonly event: "failed"; readonly reason: string };

/** The prompt and options of the pictures, for every contender. */
export const PROMPT = "a red apple on a blue background";
