import { open } from "node:fs/promises";
import { ArgumentError, CheckpointError } from "../../errors.js";
import { encodeModel, type OnnxModel } from "../../graph/onnx.js";
import { messageOf } from "../../message-of.js";
import type { EncodedModel } from "../../runtime/engine-host.js";
import type { FileRef } from "../../tensor/stored-tensor.js";

/** A file on this machine's disk. */
interface DiskFile extends FileRef {
  /** Absolute, with symbolic links resolved: ONNX Runtime follows none. */
  readonly path: string;
}

/** The file at an absolute path without symbolic links. */
export function diskFile(path: string): FileRef {
  const file: DiskFile = { id: path, path };
  return file;
}

/** The absolute path of a file. @throws ArgumentError if it is not on this machine's disk. */
export function locationOf(file: FileRef): string {
  const { path } = file as Partial<DiskFile>;
  if (path === undefined) throw new ArgumentError(`the file ${file.id} is not on this machine's disk`);
  return path;
}

/** Bytes that are read at once. */
const PART = 2 ** 23;

/** The `length` bytes of a file from `offset` on, in parts. @throws CheckpointError if the file cannot be read or has become shorter. */
export async function* readRange(file: FileRef, offset: number, length: number): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const path = locationOf(file);
  const opened = await open(path).catch((cause: unknown) => {
    throw new CheckpointError(`cannot read ${path}: ${messageOf(cause)}`, { cause });
  });
  try {
    for (let done = 0; done < length; ) {
      const bytes = new Uint8Array(Math.min(PART, length - done));
      const { bytesRead } = await opened.read(bytes, 0, bytes.length, offset + done);
      if (bytesRead === 0) throw new CheckpointError(`${path} became shorter while it was read`);
      done += bytesRead;
      yield bytes.subarray(0, bytesRead);
    }
  } finally {
    await opened.close();
  }
}

/**
 * Encodes a model. ONNX Runtime wants one folder, and its weights' paths relative to it. @throws ArgumentError if the weights are on two
 * drives.
 */
export async function encodeOnDisk(model: OnnxModel): Promise<EncodedModel> {
  const roots = new Set<string>();
  const bytes = await encodeModel(model, (file) => {
    const path = locationOf(file);
    const [root = "/"] = /^([A-Za-z]:)?[\\/]+/.exec(path) ?? [];
    // Drive letters come in both cases.
    roots.add(root.toUpperCase());
    return path.slice(root.length);
  });
  const [root = "/", another] = roots;
  if (another) {
    throw new ArgumentError(`one network's weights lie on two drives, ${root} and ${another}; put them on one`, {
      hint: 'precision "fast" writes converted weights to the folder for temporary files; the variable TEMP can name a folder on the same drive',
    });
  }
  return { bytes, sessionConfig: { model_external_initializers_file_folder_path: root } };
}
