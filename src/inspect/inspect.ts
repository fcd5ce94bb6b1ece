import { expectSource, SOURCE_FIELDS, type SourceOptions } from "../checkpoint/source.js";
import { CheckpointError, HubError } from "../errors.js";
import { findSource } from "../hub/find-source.js";
import { openCheckpoint } from "../hub/open-checkpoint.js";
import { openFile } from "../hub/open-file.js";
import { refusePickle } from "../hub/refuse-pickle.js";
import { checkOptions } from "../options/check-options.js";
import type { Fields } from "../options/fields.js";
import type { Folder } from "../platform/folder.js";
import { inspectFile } from "./inspect-file.js";
import { inspectFolder, nothingFound } from "./inspect-folder.js";
import type { Inspection } from "./inspection.js";

/** Which snapshot of the hub's cache is read. */
export type InspectOptions = Pick<SourceOptions, "revision" | "cacheDir">;

const INSPECT_FIELDS: Fields<InspectOptions> = { revision: SOURCE_FIELDS.revision, cacheDir: SOURCE_FIELDS.cacheDir };

/** The names of adapters' files in diffusers and PEFT. */
const ADAPTERS = ["pytorch_lora_weights.safetensors", "adapter_model.safetensors", "learned_embeds.safetensors"];

/**
 * Says what a folder or file is: a checkpoint in diffusers' layout or in a single file, a network or another part of one, a LoRA, a textual
 * inversion, or something of another family. `source` is a path, or an id or address of the hub. Nothing is downloaded: of the hub, only
 * the cache is read. Only configs and headers are read, so a large file takes no longer than a small one.
 * @throws CheckpointError for a folder in which nothing is found, and for a file that is not a safetensors file; HubError if the cache does
 * not have it.
 */
export async function inspect(source: string | Folder, options: InspectOptions = {}): Promise<Inspection> {
  expectSource(source, "source");
  const { revision, cacheDir } = checkOptions(options, INSPECT_FIELDS, { call: "inspect" });
  if (typeof source !== "string") return inspectAny(source);
  try {
    return await inspectSource(source, { revision, cacheDir, localFilesOnly: true });
  } catch (error) {
    if (!(error instanceof HubError) || error.problem !== "offline") throw error;
    throw new HubError(error.message, {
      problem: "offline",
      hint: "inspect reads the cache only; opening the model downloads it into the cache",
      cause: error,
    });
  }
}

async function inspectSource(source: string, offline: SourceOptions): Promise<Inspection> {
  const found = await findSource(source);
  if (found.kind === "file") {
    await refusePickle(found, "a pickle's contents are only known after loading it; use a safetensors file");
    const { folder, path } = await openFile(found, offline);
    return inspectFile(folder, path);
  }
  return inspectAny(await openCheckpoint(found, { ...offline, wanted: { kind: "names", choose: (_, paths) => paths } }));
}

async function inspectAny(folder: Folder): Promise<Inspection> {
  await folder.check();
  const found = await inspectFolder(folder);
  if (found) return found;
  const files = (await folder.list()).filter((file) => file.endsWith(".safetensors"));
  const [only, another] = files;
  const file = ADAPTERS.find((name) => files.includes(name)) ?? (another === undefined ? only : undefined);
  if (file !== undefined) return inspectFile(folder, file);
  if (files.length === 0) throw await nothingFound(folder);
  const names = files.slice(0, 5).join(", ");
  throw new CheckpointError(`${folder.name} holds ${files.length} files: ${names}${files.length > 5 ? ", ..." : ""}`, {
    hint: `name one of them, such as ${folder.name}/${only}`,
  });
}
