import type { FileRef } from "../tensor/stored-tensor.js";

/**
 * The files of a checkpoint, wherever they lie: a folder on disk, a snapshot of a hub repository, or a single file seen as the folder it
 * would be. Paths are relative, with `/` between parts, and never leave the folder. Any other path, and a file
 * that cannot be read, is a CheckpointError.
 */
export interface Folder {
  /** How messages name it: the path (or id) as the user gave it, with the subfolder. */
  readonly name: string;
  /** @throws CheckpointError if the folder does not exist, or is a file. */
  check(): Promise<void>;
  /** Names of the files directly in this folder (not in its subfolders); empty when the folder does not exist. */
  list(): Promise<readonly string[]>;
  /** Whether the file is there. */
  has(path: string): Promise<boolean>;
  /** Bytes of the file. */
  size(path: string): Promise<number>;
  /** The `length` bytes of the file from `offset` on, all of them or a CheckpointError; the whole file without them. */
  read(path: string, offset?: number, length?: number): Promise<Uint8Array<ArrayBuffer>>;
  /** The file itself, which stored tensors name and ONNX Runtime reads. */
  file(path: string): Promise<FileRef>;
  /** The folder of one part: `folder.open("unet")`. */
  open(subfolder: string): Folder;
  /** The same folder, whose downloads are followed. Folders that download nothing do not have it. @internal */
  watched?(watch: DownloadWatch): Folder;
}

/** Who follows the downloads of a folder. */
export interface DownloadWatch {
  /** Ends the downloads. */
  readonly signal?: AbortSignal | undefined;
  readonly meter: {
    /** A file of `size` bytes will be downloaded. `loaded` of them are there already. */
    expect(size: number, loaded: number): void;
    /** Bytes of `file` have arrived. The number is negative if its download starts again. */
    add(file: string, bytes: number): void;
    /** `file` is complete. `bytes` of it came from elsewhere. */
    finish(file: string, bytes: number): void;
  };
}
