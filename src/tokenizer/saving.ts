import { PART_FILES } from "../checkpoint/part-kind.js";
import type { Folder } from "../platform/folder.js";
import type { OutputFolder } from "../platform/output-folder.js";

/** Copies the files of a tokenizer, unchanged. Other files of a tokenizer that are in the folder already are removed. */
export async function copyTokenizer(folder: Folder, output: OutputFolder): Promise<void> {
  const { needed, optional = [] } = PART_FILES.tokenizer;
  const known = [...needed.flat(), ...optional];
  for (const name of (await folder.list()).filter((each) => known.includes(each))) await output.write(name, await folder.read(name));
  for (const name of await output.earlier()) if (known.includes(name)) output.remove(name);
}
