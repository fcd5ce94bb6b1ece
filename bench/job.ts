/** What a measured process can be asked to do. */
export type Task =
  /** The denoising network on `2 * batch` latents: with and without the prompt, for guidance. */
  | "unet"
  | "vae-decode"
  | "vae-encode"
  /** The text encoders on `2 * batch` prompts of full length. */
  | "text"
  /** From the start of the process to the end of the first denoising step. */
  | "start"
  /** A whole picture: open the checkpoint, make the picture, write the PNG. */
  | "picture"
  /** Whatever a peer does once before anything is measured, such as converting the checkpoint. */
  | "prepare";

/** One measured process's work; it is handed over as JSON, the last argument. */
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
  /** Tokens of a prompt of full length. */
  readonly tokens: number;
  /** Pictures at once. */
  readonly batch: number;
  /** Measured calls, after one that is not. */
  readonly repeats: number;
  /** Denoising steps of a picture. */
  readonly steps: number;
  /** Where a picture is written. */
  readonly out: string;
  /** What sets the contender apart: Darkroom's options, or a peer's own. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Darkroom only: the prefix of ONNX Runtime's profile files. */
  readonly profile?: string;
}

/** What a measured process says of itself, a line of JSON each. */
export type Report =
  /** How long a call took. */
  | { readonly event: "call"; readonly seconds: number }
  /** A point that was reached; the parent measures the time since the start. */
  | { readonly event: "mark"; readonly name: string }
  | { readonly event: "versions"; readonly versions: Readonly<Record<string, string>> }
  | { readonly event: "failed"; readonly reason: string };

/** What pictures are made of in every contender. */
export const PROMPT = "a red apple on a blue background";
