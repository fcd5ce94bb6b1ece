import type { Folder } from "../platform/folder.js";
import { ControlNetUnionModel } from "./controlnet-union.js";
import type { ModelOptions } from "./model.js";
import { openTogether, SavedTogether } from "./saved-together.js";

/**
 * Several ControlNet Unions that were saved together, in the folders `controlnet`, `controlnet_1`, `controlnet_2`, ... Give it to a
 * pipeline as its `controlnet`. Matches diffusers' MultiControlNetUnionModel.
 */
export class MultiControlNetUnionModel extends SavedTogether<ControlNetUnionModel> {
  /**
   * Opens the network in the folder `source`, or in its `subfolder`, and those in the folders beside it whose names end in `_1`, `_2`, ...
   * @throws CheckpointError, ConfigError, DeviceError, HubError
   */
  static async fromPretrained(source: string | Folder, options: ModelOptions = {}): Promise<MultiControlNetUnionModel> {
    return new MultiControlNetUnionModel(await openTogether("MultiControlNetUnionModel", ControlNetUnionModel, source, options));
  }
}
