import { ArgumentError, CheckpointError, ConfigError, DarkroomError, DeviceError, HubError, MemoryError } from "darkroom";
import type { JobError } from "../jobs/job.js";
import type { Offer } from "../models/offer.js";

/** What callers have instead of the calls of a program. */
const CALLERS_WORDS: Readonly<Record<string, string>> = {
  fromPretrained: "model",
  loadLoraWeights: "loras",
  loadTextualInversion: "the server's --embedding-dir",
};

const TOO_LARGE = "memory ran out: make smaller pictures, or run the server where there is more";

/** The place of an error in a job. Sources of the server are replaced by their names: paths are nobody's business. */
export function jobErrorOf(error: unknown, offer: Offer): JobError {
  const redact = (text: string) => withoutPaths(text, offer);
  if (error instanceof DarkroomError) {
    const isFull = error instanceof MemoryError || (error instanceof DeviceError && /alloc|out of memory/i.test(error.message));
    const words = error.spell(
      (name, { value, code } = {}) => CALLERS_WORDS[name] ?? code ?? (value === undefined ? name : `${name}: ${JSON.stringify(value)}`),
    );
    // Callers of a server cannot set its options.
    const hint = error instanceof MemoryError ? TOO_LARGE : (words.hint ?? (isFull ? TOO_LARGE : undefined));
    return {
      kind: kindOf(error),
      message: redact(words.message),
      ...(hint !== undefined && { hint: redact(hint) }),
      ...(error instanceof ArgumentError && error.argument !== undefined && { argument: error.argument }),
    };
  }
  if (error instanceof RangeError && /allocation|array length/i.test(error.message)) {
    return {
      kind: "device",
      message: `there is not enough memory: ${error.message}`,
      hint: TOO_LARGE,
    };
  }
  return { kind: "internal", message: redact(error instanceof Error ? error.message : String(error)) };
}

function kindOf(error: DarkroomError): JobError["kind"] {
  if (error instanceof ArgumentError) return "argument";
  if (error instanceof DeviceError) return "device";
  return [CheckpointError, ConfigError, HubError].some((type) => error instanceof type) ? "checkpoint" : "internal";
}

function withoutPaths(text: string, { models, vaes, controlnets, upscalers, loraFolders, embeddingFolders }: Offer): string {
  const folders = [...loraFolders, ...embeddingFolders].map((folder) => ({ source: `${folder.replace(/[\\/]+$/, "")}/`, name: "" }));
  return [...models, ...vaes, ...controlnets, ...upscalers, ...folders]
    .sort((a, b) => b.source.length - a.source.length)
    .reduce((result, { source, name }) => result.replaceAll(source, name), text);
}
