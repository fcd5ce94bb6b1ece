import { ArgumentError } from "../../errors.js";
import { encodeModel, type OnnxModel } from "../../graph/onnx.js";
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

/**
 * Encodes a model. ONNX Runtime wants one folder, and its weights' paths relative to it. @throws ArgumentError if the weights are on two
 * drives.
 */
export function encodeOnDisk(model: OnnxModel): EncodedModel {
  const roots = new Set<string>();
  const bytes = encodeModel(model, (file) => {
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
