import { embeddedCheckpointPath } from "../../src/hub/embedded.js";

/** The embedded checkpoint: 128 x 128 pictures of 16 x 16 latents of 8 channels. */
export const EMOJI = embeddedCheckpointPath();
