import { packagedCheckpoint } from "#platform";

/**
 * The name of the checkpoint that comes with the package, a text-to-image one: `DiffusionPipeline.fromPretrained(EMBEDDED_CHECKPOINT)`. A local folder of
 * this name wins. A later version of the package may bring another checkpoint, of another name.
 */
export const EMBEDDED_CHECKPOINT = "emoji-64";

/**
 * The folder of the checkpoint that comes with the package, as an absolute path, in diffusers' layout: for programs that read its files themselves.
 * @throws DeviceError where it is not there: in a bundle that took the package's code without its files.
 */
export function embeddedCheckpointPath(): string {
  return packagedCheckpoint(EMBEDDED_CHECKPOINT);
}
