import { OutputError } from "../../errors.js";
import type { FolderWriter } from "../output-folder.js";

/** A page has no files. @throws OutputError */
export async function writeFileAtomically(path: string): Promise<void> {
  throw new OutputError(`cannot write ${path}: a page has no files`, {
    hint: "encode gives the bytes of the file, and toBlob a Blob to download",
  });
}

/** A page has no folders. @throws OutputError */
export const writeFolder: FolderWriter = async (path) => {
  throw new OutputError(`cannot write ${path}: a page has no folders`, { hint: "save checkpoints with Node" });
};

/** @throws OutputError as {@link writeFolder} */
export function expectWritable(path: string): Promise<void> {
  return writeFolder(path, async () => undefined);
}

/** A page has no paths: the file's own name stands for it. */
export function locationOf(file: { readonly id: string }): string {
  return file.id;
}
