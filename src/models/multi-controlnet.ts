import { createEngine, openFolderOf } from "#platform";
import { HubError } from "../errors.js";
import { findSource } from "../hub/find-source.js";
import { openCheckpoint } from "../hub/open-checkpoint.js";
import { checkOptions } from "../options/check-options.js";
import type { Folder } from "../platform/folder.js";
import type { Engine } from "../runtime/engine.js";
import { ControlNetModel } from "./controlnet.js";
import { MODEL_FIELDS, type ModelOptions } from "./model.js";

/**
 * Several ControlNets that were saved together, in the folders `controlnet`, `controlnet_1`, `controlnet_2`, ... Give `nets` to a pipeline
 * as its `controlnet`. Matches diffusers' MultiControlNetModel.
 */
export class MultiControlNetModel implements AsyncDisposable {
  private constructor(
    /** The ControlNets, in the order of their folders. */
    readonly nets: readonly ControlNetModel[],
    private readonly ownEngine: Engine | undefined,
  ) {}

  /**
   * Opens the ControlNet in the folder `source`, or in its `subfolder`, and those in the folders beside it whose names end in `_1`, `_2`,
   * ...
   * @throws CheckpointError, ConfigError, DeviceError, HubError
   */
  static async fromPretrained(source: string | Folder, options: ModelOptions = {}): Promise<MultiControlNetModel> {
    checkOptions(options, MODEL_FIELDS, { call: "MultiControlNetModel.fromPretrained" });
    const { device, deviceId, lowMemory, precision } = options;
    const engine = options.engine ?? (await createEngine({ device, deviceId, lowMemory, precision }));
    const nets: ControlNetModel[] = [];
    const multi = new MultiControlNetModel(nets, options.engine ? undefined : engine);
    try {
      let place: Place | undefined = { source, subfolder: options.subfolder };
      while (place) {
        nets.push(await ControlNetModel.fromPretrained(place.source, { ...options, engine, subfolder: place.subfolder }));
        place = await placeBeside(source, options, nets.length);
      }
    } catch (error) {
      await multi.dispose();
      throw error;
    }
    return multi;
  }

  /** Frees the networks' memory; stops their thread unless other models share it. */
  async dispose(): Promise<void> {
    await Promise.all(this.nets.map((net) => net.dispose()));
    await this.ownEngine?.dispose();
  }

  /** The same as `dispose`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

interface Place {
  readonly source: string | Folder;
  readonly subfolder: string | undefined;
}

interface NumberedPlace extends Place {
  readonly subfolder: string;
}

/** The location of the ControlNet with this number, if there is one. */
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
