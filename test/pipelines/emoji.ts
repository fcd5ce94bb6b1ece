import { embeddedCheckpointPath } from "../../src/hub/embedded.js";

/** The embedded checkpoint: 64 x 64 pictures of 16 x 16 latents. */
export const EMOJI = embeddedCheckpointPath();
