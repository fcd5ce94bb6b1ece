import { CheckpointError } from "../errors.js";

/** Whether a file's name, or an address of the web, is that of a pickle, in which Python keeps weights, and anything else. */
export function isPickle(name: string): boolean {
  return /\.(bin|ckpt|pth?|pkl|pickle)([?#].*)?$/i.test(name);
}

/** A weight file's name without its ending; pickles included. */
export function withoutEnding(name: string): string {
  return name.replace(/\.(safetensors|bin|ckpt|pth?|pkl|pickle)$/i, "");
}

/** What to take in place of a checkpoint that is a pickle. */
export const CHECKPOINT_CONVERSION =
  "get the checkpoint's .safetensors file, or convert it where you trust it: in Python, StableDiffusionPipeline.from_single_file(file).save_pretrained(folder)";

/** What to say of a pickle; `hint` says what to take instead. */
export function pickleError(path: string, hint: string): CheckpointError {
  return new CheckpointError(`${path} is a pickle, which can run any code when it is loaded; Darkroom reads only safetensors`, { hint });
}
