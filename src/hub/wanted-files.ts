import type { ModelIndex } from "../checkpoint/model-index.js";
import type { WantedPart } from "../checkpoint/open-part.js";
import type { Folder } from "../platform/folder.js";

/** The files of a checkpoint that a caller needs. */
export type WantedFiles = WantedPipeline | WantedConfigs | WantedPart | WantedPartConfig | WantedNetwork | WantedNames;

/** All parts of a pipeline, with their weights. */
export interface WantedPipeline {
  readonly kind: "pipeline";
  /** Subfolders of parts that the caller has already. */
  readonly without?: readonly string[];
  /** Subfolders of parts that the caller needs the configs of, but not the weights. */
  readonly withoutWeights?: readonly string[];
  /** Called with the pipeline's `model_index.json` before its parts are downloaded. Throws to prevent the download. */
  readonly accept?: (index: ModelIndex, folder: Folder) => void;
}

/** The configs of all parts of a pipeline, or the config of a repository that is one network. */
export interface WantedConfigs {
  readonly kind: "configs";
}

/** The config of one network, without its weights. */
export interface WantedPartConfig {
  readonly kind: "part-config";
  /** The network's folder in the checkpoint; "" if the checkpoint is that network alone. */
  readonly subfolder: string;
}

/** One network of a single file, which may hold several; or a folder or repository that is one network. */
export interface WantedNetwork {
  readonly kind: "network";
  /** The network's subfolder in a checkpoint, such as "vae". */
  readonly network: string;
}

/** Files chosen by name. */
export interface WantedNames {
  readonly kind: "names";
  /**
   * Returns the wanted files. `name` is the repository, and `paths` are all its files. Throws a CheckpointError if a needed file is
   * missing.
   */
  readonly choose: (name: string, paths: readonly string[]) => readonly string[];
}

/** What is wanted if the caller does not say. */
export const WHOLE_PIPELINE: WantedPipeline = { kind: "pipeline" };
