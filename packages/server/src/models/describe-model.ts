import { HubError, inspect } from "darkroom";
import { type CheckpointDefaults, checkpointDefaults } from "darkroom/generate";
import type { NamedSource } from "./named-source.js";
import type { RuntimeOptions } from "./offer.js";

/** What lists of models say of one. Only configs and headers are read for it. */
export interface ModelDescription {
  readonly name: string;
  /** "ready", or why the rest is unknown: a model of the hub is "not-downloaded" until its first job. */
  readonly state: "ready" | "not-downloaded" | "unreadable";
  /** "Stable Diffusion XL". */
  readonly family?: string | undefined;
  /** The pipeline's class in diffusers. */
  readonly className?: string | undefined;
  /** Whether it takes a prompt, and its defaults by what a picture starts from. */
  readonly defaults?: CheckpointDefaults | undefined;
  /** The scheduler's class. */
  readonly scheduler?: string | undefined;
  readonly predictionType?: string | undefined;
  /** Side in pixels of the pictures it was trained on. */
  readonly size?: number | undefined;
  /** Bytes of its weights. */
  readonly bytes?: number | undefined;
}

/** Describes a model by its configs and headers. It never throws: a list of models names those that cannot be read, too. */
export async function describeModel(
  { name, source }: NamedSource,
  { cacheDir }: Pick<RuntimeOptions, "cacheDir"> = {},
): Promise<ModelDescription> {
  try {
    const found = await inspect(source, { cacheDir });
    if (found.kind !== "checkpoint") return { name, state: "unreadable" };
    const { family, className, scheduler, predictionType, size, counts } = found;
    return {
      name,
      state: "ready",
      family,
      className,
      defaults: checkpointDefaults(found),
      scheduler,
      predictionType,
      size,
      bytes: counts.bytes,
    };
  } catch (error) {
    return { name, state: error instanceof HubError && error.problem === "offline" ? "not-downloaded" : "unreadable" };
  }
}
