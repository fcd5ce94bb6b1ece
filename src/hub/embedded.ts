import { packagedCheckpoint } from "#platform";
import { EMBEDDED } from "../families/embedded.js";

/**
 * The name of the text-to-image checkpoint in the package: `DiffusionPipeline.fromPretrained(EMBEDDED_CHECKPOINT)`. A local folder with
 * this name wins. A later version of the package may have another checkpoint, with another name.
 */
export const EMBEDDED_CHECKPOINT = EMBEDDED.name;

/**
 * The absolute path of the folder with the embedded checkpoint, in diffusers' layout, for programs that read its files themselves.
 * @throws DeviceError if it does not exist: in a bundle with the package's code, but without its files.
 */
export function embeddedCheckpointPath(): string {
  return packagedCheckpoint(EMBEDDED_CHECKPOINT);
}
