import { isPickle, pickleError } from "../checkpoint/pickles.js";
import { expectSource, SOURCE_FIELDS, type SourceOptions } from "../checkpoint/source.js";
import { CheckpointError } from "../errors.js";
import { type Fields, text } from "../options/fields.js";
import type { Folder } from "../platform/folder.js";
import { expectKind } from "../recognise/expect-kind.js";
import { type FoundSource, findSource, isFound } from "./find-source.js";
import { openCheckpoint } from "./open-checkpoint.js";
import { type FoundFile, openFile } from "./open-file.js";
import { refusePickle } from "./refuse-pickle.js";

/** How the file of an adapter (a LoRA, an embedding or an IP-Adapter) is found. */
export interface AdapterSource extends Omit<SourceOptions, "variant" | "config"> {
  /** The name of the file, if the folder or hub repository has several. */
  readonly weightName?: string | undefined;
  /** The folder of the file inside the folder or repository. */
  readonly subfolder?: string | undefined;
}

const { variant: _variant, config: _config, ...SOURCE } = SOURCE_FIELDS;

export const ADAPTER_FIELDS: Fields<AdapterSource> = { ...SOURCE, weightName: text, subfolder: text };

/** A kind of adapter. */
export interface AdapterKind {
  /** How messages name it: "LoRA". */
  readonly name: string;
  /** The kind of file it must be. */
  readonly wanted: "lora" | "textual-inversion" | "ip-adapter";
  /** Usual names of its file. A file with such a name is chosen among several. */
  readonly usualNames: readonly string[];
  /** Files in the same folder that are read with it, if they exist. */
  readonly companions?: readonly string[] | undefined;
  /** How to convert a pickle of this kind to safetensors. */
  readonly conversion?: string | undefined;
}

/**
 * Finds the file of an adapter: `source` itself, or the file in a folder or hub repository (`owner/name`). A file on the hub is downloaded
 * unless it is in the cache.
 * @throws CheckpointError if there is no such file, if there are several and none is named, or if it is of another kind; HubError
 */
export async function findAdapter(source: string | Folder | FoundSource, from: AdapterSource, kind: AdapterKind): Promise<FoundFile> {
  if (!isFound(source)) expectSource(source, "source");
  const found = await locate(await findSource(source), from, kind);
  await expectKind(kind.wanted, found.folder, found.path);
  return found;
}

async function locate(source: FoundSource, { weightName, subfolder, ...from }: AdapterSource, kind: AdapterKind): Promise<FoundFile> {
  if (source.kind === "file") {
    await refusePickle(source, conversionHint(kind));
    return openFile(source, { ...from, companions: () => kind.companions ?? [] });
  }
  const inside = (path: string) => (subfolder ? `${subfolder}/${path}` : path);
  const choose = (name: string, paths: readonly string[]) => {
    const here = paths.flatMap((path) => (path === inside(baseOf(path)) ? baseOf(path) : []));
    const chosen = chooseName(subfolder ? `${name}/${subfolder}` : name, here, weightName, kind);
    return [chosen, ...(kind.companions ?? []).filter((path) => here.includes(path))].map(inside);
  };
  const root = await openCheckpoint(source, { ...from, wanted: { kind: "names", choose } });
  const folder = subfolder ? root.open(subfolder) : root;
  // A web server does not list its files.
  if (weightName !== undefined && baseOf(weightName) === weightName && !isPickle(weightName) && (await folder.has(weightName))) {
    return { folder, path: weightName };
  }
  await folder.check();
  return { folder, path: chooseName(folder.name, await folder.list(), weightName, kind) };
}

function chooseName(folder: string, files: readonly string[], weightName: string | undefined, kind: AdapterKind): string {
  if (weightName !== undefined) {
    if (isPickle(weightName)) throw pickleError(`${folder}/${weightName}`, conversionHint(kind));
    if (files.includes(weightName)) return weightName;
    throw new CheckpointError(`${folder} has no file ${weightName}; it has ${listed(files)}`, { hint: "name one of them as weightName" });
  }
  // Like diffusers: its training scripts write optimizer and scheduler states into the same folder.
  const candidates = files.filter((file) => file.endsWith(".safetensors") && !/scheduler|optimizer|checkpoint/.test(file));
  const [only, ...others] = candidates;
  const usual = kind.usualNames.find((name) => candidates.includes(name));
  if (usual) return usual;
  if (only && others.length === 0) return only;
  if (only)
    throw new CheckpointError(`${folder} has ${candidates.length} files that may be the ${kind.name}: ${listed(candidates)}`, {
      hint: `give one of the files, such as ${folder}/${only}`,
    });
  const pickle = files.find(isPickle);
  throw pickle
    ? pickleError(`${folder}/${pickle}`, conversionHint(kind))
    : new CheckpointError(`${folder} has no ${kind.name}; it has ${listed(files)}`, {
        hint: "give a folder with a .safetensors file, or that file",
      });
}

function conversionHint({ name, conversion }: AdapterKind): string {
  const elsewhere = `get the safetensors file of the same ${name}`;
  return conversion ? `${elsewhere}, or convert it if you trust it: ${conversion}` : elsewhere;
}

function listed(files: readonly string[]): string {
  if (files.length === 0) return "no files";
  return files.slice(0, 5).join(", ") + (files.length > 5 ? ` and ${files.length - 5} more` : "");
}

function baseOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
