import type { Engine } from "../runtime/engine.js";
import type { EngineOptions } from "../runtime/start-engine.js";
import type { FileRef } from "../tensor/stored-tensor.js";
import type { Folder } from "./folder.js";
import type { CachedRepository, HubChoices, HubSettings, RepositoryCache } from "./hub.js";
import type { FolderWriter, WriteFolderOptions } from "./output-folder.js";
import type { DecodedImage, FrameOptions, ImageHeader } from "./pictures.js";
import type { WeightCache } from "./weight-cache.js";

/**
 * What differs between Node and the browser. Each platform has a folder here whose `platform.ts` exports these functions. All other code
 * imports them from "#platform", which package.json maps to the platform's folder.
 */
export interface Platform extends Files, PackageFiles, HubFiles, Pictures {
  /**
   * Starts ONNX Runtime in a thread of its own. src/runtime/engine-host.ts has what the platform gives to the engine.
   * @throws DeviceError if the device does not work; ArgumentError for an unknown precision.
   */
  createEngine(options?: EngineOptions): Promise<Engine>;
  /** Where weights that `quantize` makes are kept. @throws ArgumentError if the platform has no such place. */
  openWeightCache(): WeightCache;
  /** The SHA-256 of all bytes, in hexadecimal. */
  sha256(chunks: AsyncIterable<Uint8Array>): Promise<string>;
}

/** Folders and files, which users name by paths. */
interface Files {
  /**
   * The folder at a path. `name` is its name in messages, by default the path. Nothing is read yet. @throws CheckpointError if the path is
   * empty.
   */
  openFolder(path: string, name?: string): Folder;
  /** Whether a path leads to a file or a folder; undefined if it does not exist. */
  pathKind(path: string): Promise<"file" | "folder" | undefined>;
  /** The folder that holds the file at a path, and the file's name in it. Nothing is read yet. */
  openFolderOf(path: string): { readonly folder: Folder; readonly path: string };
  /** Files that a page holds, by their paths, as a folder. @throws ArgumentError if the platform computes with files on its disk only. */
  openBlobs(files: ReadonlyMap<string, Blob>, name: string): Folder;
  /** Where a file is, for reports to the user: its absolute path. @throws ArgumentError for a file of another platform. */
  locationOf(file: FileRef): string;
  /** Writes a file whole or not at all. @throws OutputError if it cannot be written, or if it exists and `overwrite` is false. */
  writeFileAtomically(path: string, bytes: Uint8Array, options?: { readonly overwrite?: boolean }): Promise<void>;
  /** The `length` bytes of a file from `offset` on, in parts. @throws CheckpointError if they cannot be read. */
  readRange(file: FileRef, offset: number, length: number): AsyncIterable<Uint8Array<ArrayBuffer>>;
  /**
   * Checks that a folder can be written, before long work. @throws OutputError as `writeFolder`, if it has files and `overwrite` is false
   */
  expectWritable(path: string, options?: WriteFolderOptions): Promise<void>;
  /** Writes a folder whole or not at all. @throws OutputError if it cannot be written; the signal's reason */
  writeFolder: FolderWriter;
}

/** Files that come with the package. */
interface PackageFiles {
  /** The folder with CLIP's vocabulary and merges, for checkpoints without a tokenizer. */
  openTokenizerFiles(): Folder;
  /** The path of a checkpoint's folder. */
  packagedCheckpoint(name: string): string;
}

/** The Hugging Face hub's settings and its cache. */
interface HubFiles {
  /** The settings of the environment, with the caller's choices. @throws ConfigError if a variable has a wrong value. */
  hubSettings(choices?: HubChoices): Promise<HubSettings>;
  /** The cache of the repository `owner/name`. Nothing is read yet. */
  openRepositoryCache(id: string, settings: Pick<HubSettings, "cacheDir" | "symlinks">): RepositoryCache;
  /** The repositories in the cache. @throws HubError if the cache cannot be read. */
  listRepositories(cacheDir?: string): Promise<readonly CachedRepository[]>;
  /** Removes a repository from the cache and returns the bytes that were freed; undefined if it is not there. @throws HubError */
  removeRepository(id: string, cacheDir?: string): Promise<number | undefined>;
}

/** Image files. */
interface Pictures {
  /** The bytes of the image file at a path. @throws ArgumentError if it cannot be read. */
  readPath(path: string): Promise<Uint8Array>;
  /**
   * Decodes PNG, JPEG, WebP, GIF, TIFF or AVIF, turned upright by its EXIF orientation. Grey stays grey, and transparency stays a channel.
   * @throws ArgumentError with the reason in one line if the bytes are not such an image.
   */
  decodeImage(bytes: Uint8Array): Promise<DecodedImage>;
  /**
   * Reads the header of an image file of any of these formats. @throws ArgumentError with the reason in one line if the bytes are not such
   * an image.
   */
  readImageHeader(bytes: Uint8Array): Promise<ImageHeader>;
  /**
   * Encodes 8-bit RGB pixels, without metadata. `quality` is 1 to 100.
   * @throws ArgumentError for a picture that is larger than the format allows.
   */
  encodeImage(image: Omit<DecodedImage, "channels">, format: "jpeg" | "webp", quality: number): Promise<Uint8Array>;
  /**
   * Encodes an animation. `frames.data` has the 8-bit RGB pixels of all frames one after another; width and height are those of a frame.
   * @throws ArgumentError for frames that are larger than the format allows.
   */
  encodeFrames(frames: Omit<DecodedImage, "channels">, format: "gif" | "webp", options: FrameOptions): Promise<Uint8Array>;
}
