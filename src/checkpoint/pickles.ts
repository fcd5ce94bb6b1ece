import { CheckpointError } from "../errors.js";

/** Whether a file name or web address has the ending of a pickle: Python's format for weights and any other objects. */
export function isPickle(name: string): boolean {
  return /\.(bin|ckpt|pth?|pkl|pickle)([?#].*)?$/i.test(name);
}

/** The name of a weight file without its ending. Pickles count as weight files. */
export function withoutEnding(name: string): string {
  return name.replace(/\.(safetensors|bin|ckpt|pth?|pkl|pickle)$/i, "");
}

/** What to do about a checkpoint that is a pickle. */
export const CHECKPOINT_CONVERSION =
  "get the checkpoint's .safetensors file, or convert it if you trust it: in Python, StableDiffusionPipeline.from_single_file(file).save_pretrained(folder)";

/** The error for a file that is a pickle. `hint` says what to do instead. */
export function pickleError(path: string, hint: string): CheckpointError {
  return new CheckpointError(`${path} is a pickle, which can run any code when it is loaded; Darkroom reads only safetensors`, { hint });
}
