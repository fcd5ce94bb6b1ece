import { createEngine, openFolderOf } from "#platform";
import { progressOf, SAVE_FIELDS, type SavePretrainedOptions, writeTo } from "../checkpoint/saving.js";
import { HubError } from "../errors.js";
import { findSource } from "../hub/find-source.js";
import { openCheckpoint } from "../hub/open-checkpoint.js";
import { checkOptions } from "../options/check-options.js";
import type { Folder } from "../platform/folder.js";
import type { Engine } from "../runtime/engine.js";
import { MODEL_FIELDS, type Model, type ModelOptions } from "./model.js";

/** Several networks of a kind that were saved together, in the folders `NAME`, `NAME_1`, `NAME_2`, ... */
export abstract class SavedTogether<Net extends Model<object>> implements AsyncDisposable {
  /** The networks, in the order of their folders. */
  readonly nets: readonly Net[];
  private readonly ownEngine: Engine | undefined;

  protected constructor({ nets, ownEngine }: NetsTogether<Net>) {
    this.nets = nets;
    this.ownEngine = ownEngine;
  }

  /**
   * Saves the networks into `folder` and the folders beside it whose names end in `_1`, `_2`, ..., as diffusers does. Each folder appears
   * whole or not at all.
   * @throws ArgumentError, OutputError as `savePretrained` of one network
   */
  async savePretrained(folder: string, options: SavePretrainedOptions = {}): Promise<void> {
    const checked = checkOptions(options, SAVE_FIELDS, { call: "savePretrained" });
    const onBytes = progressOf(
      this.nets.reduce((sum, net) => sum + net.savedBytes(checked), 0),
      checked.onProgress,
    );
    for (const [i, net] of this.nets.entries()) {
      const path = numbered(String(folder).replace(/[/\\]+$/, ""), i);
      await writeTo(path, (output) => net.saveTo(output, checked), { signal: checked.signal, overwrite: checked.overwrite, onBytes });
    }
  }

  /** Frees the networks' memory; stops their thread unless other models share it. */
  async dispose(): Promise<void> {
    await disposeTogether(this.nets, this.ownEngine);
  }

  /** The same as `dispose`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

/** The name of the folder of a network of several. */
export function numbered(folder: string, index: number): string {
  return index === 0 ? folder : `${folder}_${index}`;
}

/** Networks that were opened together. */
export interface NetsTogether<Net> {
  readonly nets: readonly Net[];
  /** The engine that was started for them; undefined if the caller gave one. */
  readonly ownEngine: Engine | undefined;
}

/** A class of networks. */
interface NetClass<Net> {
  fromPretrained(source: string | Folder, options: ModelOptions): Promise<Net>;
}

/**
 * Opens the network in the folder `source`, or in its `subfolder`, and those in the folders beside it whose names end in `_1`, `_2`, ...
 * @throws CheckpointError, ConfigError, DeviceError, HubError
 */
export async function openTogether<Net extends AsyncDisposable>(
  className: string,
  net: NetClass<Net>,
  source: string | Folder,
  options: ModelOptions,
): Promise<NetsTogether<Net>> {
  checkOptions(options, MODEL_FIELDS, { call: `${className}.fromPretrained` });
  const { device, deviceId, lowMemory, precision, quantize, onLoadProgress } = options;
  const engine = options.engine ?? (await createEngine({ device, deviceId, lowMemory, precision, quantize, onLoadProgress }));
  const ownEngine = options.engine ? undefined : engine;
  const nets: Net[] = [];
  try {
    let place: Place | undefined = { source, subfolder: options.subfolder };
    while (place) {
      nets.push(await net.fromPretrained(place.source, { ...options, engine, subfolder: place.subfolder }));
      place = await placeBeside(source, options, nets.length);
    }
    await ownEngine?.settle?.();
  } catch (error) {
    await disposeTogether(nets, ownEngine);
    throw error;
  }
  return { nets, ownEngine };
}

async function disposeTogether(nets: readonly AsyncDisposable[], ownEngine: Engine | undefined): Promise<void> {
  await Promise.all(nets.map((net) => net[Symbol.asyncDispose]()));
  await ownEngine?.dispose();
}

interface Place {
  readonly source: string | Folder;
  readonly subfolder: string | undefined;
}

interface NumberedPlace extends Place {
  readonly subfolder: string;
}

/** The location of the network with this number, if there is one. */
async function placeBeside(whole: string | Folder, options: ModelOptions, index: number): Promise<Place | undefined> {
  const place = await nextPlace(whole, options.subfolder, index);
  if (!place) return undefined;
  const { source, subfolder } = place;
  try {
    const folder = await openCheckpoint(source, { ...options, wanted: { kind: "part-config", subfolder } });
    return (await folder.open(subfolder).has("config.json")) ? place : undefined;
  } catch (error) {
    if (error instanceof HubError && error.problem === "file-not-found") return undefined;
    throw error;
  }
}

/** The folder with this number: in the same checkpoint, or beside a folder on disk. */
async function nextPlace(whole: string | Folder, subfolder: string | undefined, index: number): Promise<NumberedPlace | undefined> {
  if (subfolder !== undefined) return { source: whole, subfolder: `${subfolder}_${index}` };
  if (typeof whole !== "string") return undefined;
  const { kind, place } = await findSource(whole);
  if (kind !== "folder" || place !== "here") return undefined;
  const { folder, path } = openFolderOf(whole);
  return { source: folder, subfolder: `${path}_${index}` };
}
