import { ArgumentError, CheckpointError, ConfigError, DarkroomError, DeviceError, HubError } from "darkroom";
import type { JobError } from "../jobs/job.js";
import type { Offer } from "../models/offer.js";

/** The place of an error in a job. Sources of the server are replaced by their names: paths are nobody's business. */
export function jobErrorOf(error: unknown, offer: Offer): JobError {
  const redact = (text: string) => withoutPaths(text, offer);
  if (error instanceof DarkroomError) {
    return {
      kind: kindOf(error),
      message: redact(error.message),
      ...(error.hint !== undefined && { hint: redact(error.hint) }),
      ...(error instanceof ArgumentError && error.argument !== undefined && { argument: error.argument }),
    };
  }
  if (error instanceof RangeError && /allocation|array length/i.test(error.message)) {
    return {
      kind: "device",
      message: `there is not enough memory: ${error.message}`,
      hint: "make smaller pictures, or start the server with more memory",
    };
  }
  return { kind: "internal", message: redact(error instanceof Error ? error.message : String(error)) };
}

function kindOf(error: DarkroomError): JobError["kind"] {
  if (error instanceof ArgumentError) return "argument";
  if (error instanceof DeviceError) return "device";
  return [CheckpointError, ConfigError, HubError].some((type) => error instanceof type) ? "checkpoint" : "internal";
}

function withoutPaths(text: string, { models, vaes, controlnets, loraFolders, embeddingFolders }: Offer): string {
  const folders = [...loraFolders, ...embeddingFolders].map((folder) => ({ source: `${folder.replace(/[\\/]+$/, "")}/`, name: "" }));
  return [...models, ...vaes, ...controlnets, ...folders]
    .sort((a, b) => b.source.length - a.source.length)
    .reduce((result, { source, name }) => result.replaceAll(source, name), text);
}
