import { openBlobs } from "#platform";
import { wrongArgument } from "../given.js";
import type { Folder } from "../platform/folder.js";

/**
 * Files that the user dropped on a page, or chose in an `<input type="file">` (with `webkitdirectory` for a whole folder), as a folder that
 * `fromPretrained` opens: `DiffusionPipeline.fromPretrained(openFiles(input.files))`. Paths are those below the chosen folder; a file that
 * was chosen alone has its name. Nothing is copied: weights are read from the files when a network is loaded.
 * @throws ArgumentError if a value is not a File, if there is none, or outside of a browser.
 */
export function openFiles(files: Iterable<File>): Folder {
  const list = [...files];
  for (const file of list) if (!(file instanceof File)) throw wrongArgument("files", file, "File objects");
  const [first] = list;
  if (!first) throw wrongArgument("files", list, "at least one File");
  const [root] = pathOf(first).split("/");
  const isFolder = list.every((file) => pathOf(file).startsWith(`${root}/`));
  const paths = list.map((file) => [isFolder ? pathOf(file).slice(`${root}/`.length) : file.name, file] as const);
  return openBlobs(new Map(paths), isFolder ? (root as string) : list.length === 1 ? first.name : "the given files");
}

/** The folder of one chosen file. Messages name the file as one in the folder where a program is. */
export function folderOfFile(file: File): Folder {
  return openBlobs(new Map([[file.name, file]]), ".");
}

/** A file of a chosen folder has its path there. */
function pathOf(file: File): string {
  const { webkitRelativePath = "" } = file as Partial<File>;
  return webkitRelativePath === "" ? file.name : webkitRelativePath;
}
