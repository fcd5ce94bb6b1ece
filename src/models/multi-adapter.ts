import type { Folder } from "../platform/folder.js";
import type { ModelOptions } from "./model.js";
import { openTogether, SavedTogether } from "./saved-together.js";
import { T2IAdapter } from "./t2i-adapter.js";

/**
 * Several T2I-Adapters that were saved together, in the folders `adapter`, `adapter_1`, `adapter_2`, ... Give it to a pipeline as its
 * `adapter`. Matches diffusers' MultiAdapter.
 */
export class MultiAdapter extends SavedTogether<T2IAdapter> {
  /**
   * Opens the network in the folder `source`, or in its `subfolder`, and those in the folders beside it whose names end in `_1`, `_2`, ...
   * @throws CheckpointError, ConfigError, DeviceError, HubError
   */
  static async fromPretrained(source: string | Folder, options: ModelOptions = {}): Promise<MultiAdapter> {
    return new MultiAdapter(await openTogether("MultiAdapter", T2IAdapter, source, options));
  }
}
