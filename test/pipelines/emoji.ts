import { onTestFinished } from "vitest";
import { embeddedCheckpointPath } from "../../src/hub/embedded.js";
import { setWarningHandler } from "../../src/warnings.js";

/** The embedded checkpoint: 64 x 64 pictures of 16 x 16 latents. */
export const EMOJI = embeddedCheckpointPath();

/** Collects the warnings of one test instead of printing them. */
export function collectWarnings(): string[] {
  const warnings: string[] = [];
  const previous = setWarningHandler((message) => warnings.push(message));
  onTestFinished(() => {
    setWarningHandler(previous);
  });
  return warnings;
}
