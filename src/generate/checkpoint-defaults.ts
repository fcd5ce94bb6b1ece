import { EMBEDDED } from "../families/embedded.js";
import type { Defaults, WorkflowName } from "../families/family.js";
import { FAMILIES, familiesByPipeline } from "../families/lookups.js";
import { embeddedCheckpointPath } from "../hub/embedded.js";
import type { CheckpointInspection } from "../inspect/inspection.js";

/** What a checkpoint makes pictures from, and the values for options that a request does not name. */
export interface CheckpointDefaults {
  /** Whether it takes a prompt. */
  readonly takesPrompt: boolean;
  /**
   * The defaults by what a picture starts from: noise, a picture, or a picture with a mask; "controlnet-noise" is noise with a
   * ControlNet, and so on. It cannot do what is not there.
   */
  readonly starts: Readonly<Partial<Record<WorkflowName, Defaults>>>;
  /** How many times as wide and high as the given picture the new one is; undefined if it has the same size. */
  readonly enlarges?: number;
  /** Prompts that it makes good pictures of, where they are known. */
  readonly examplePrompts?: readonly string[];
}

/** What a checkpoint makes pictures from, by what `inspect` says about it; undefined for a checkpoint that `generate` does not know. */
export function checkpointDefaults(checkpoint: CheckpointInspection): CheckpointDefaults | undefined {
  const { name, family, className, isInpainting, advised } = checkpoint;
  const families = familiesByPipeline(className);
  const found = [...families, ...FAMILIES].find((each) => each.name === family) ?? families[0];
  if (!found) return undefined;
  const embedded = name === EMBEDDED.name || name === embeddedCheckpointPath() ? EMBEDDED : undefined;
  const starts = Object.entries(found.workflows)
    // A UNet that takes a masked picture takes nothing else. `generate` makes no videos.
    .filter(([start]) => !start.startsWith("motion-") && (!isInpainting || start.endsWith("mask")))
    .map(([start, { defaults }]) => [start, { ...defaults, ...advised, ...embedded?.defaults }]);
  const enlarges = found.workflows.image?.enlarges;
  return {
    takesPrompt: found.takesPrompt,
    starts: Object.fromEntries(starts),
    ...(enlarges !== undefined && { enlarges }),
    ...(embedded && { examplePrompts: embedded.examplePrompts }),
  };
}
