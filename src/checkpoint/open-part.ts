import { CheckpointError } from "../errors.js";
import { partFolders } from "../families/lookups.js";
import { withArticle } from "../given.js";
import { type Fields, text } from "../options/fields.js";
import type { Folder } from "../platform/folder.js";
import { classOf, readConfig } from "./config.js";
import { PART_FILES, type PartKind } from "./part-kind.js";
import { expectSource, refuseConfig, SOURCE_FIELDS, type SourceOptions } from "./source.js";

/** How one part of a checkpoint is opened. */
export interface PartOptions extends SourceOptions {
  /** Folder of the part inside the checkpoint, such as "unet"; by default the checkpoint's folder itself holds the part. */
  readonly subfolder?: string | undefined;
}

export const PART_FIELDS: Fields<PartOptions> = { ...SOURCE_FIELDS, subfolder: text };

/** One part of a checkpoint, by its kind and its subfolder ("" if the checkpoint is that part alone). */
export interface WantedPart {
  readonly kind: "part";
  readonly part: PartKind;
  readonly subfolder: string;
}

/** Opens the checkpoint that a path, address or hub id names, with at least the files of one part. */
export type SourceOpener = (source: string, wanted: WantedPart, options: SourceOptions) => Promise<Folder>;

let openSource: SourceOpener = async (source) => {
  throw new CheckpointError(`${source} cannot be opened: the module that opens paths and hub ids is not loaded`, {
    hint: 'import "darkroom/from-pretrained", which loads it, or give a Folder',
  });
};

/**
 * Sets the function by which {@link openPart} opens paths and hub ids. src/hub calls it when it is loaded, so that schedulers do not import
 * src/hub.
 */
export function useSourceOpener(opener: SourceOpener): void {
  openSource = opener;
}

/**
 * The folder of one part of a checkpoint: the checkpoint's own folder, or its `subfolder`.
 * @param className the expected class, for the hint.
 * @throws CheckpointError if the part is in another folder, or if `source` is not a Folder and src/hub is not loaded; the errors of
 * `openCheckpoint`.
 */
export async function openPart(
  source: string | Folder,
  { subfolder, ...from }: PartOptions,
  kind: PartKind,
  className?: string,
): Promise<Folder> {
  const root = await openRoot(source, { kind: "part", part: kind, subfolder: subfolder ?? "" }, from);
  const folder = subfolder ? root.open(subfolder) : root;
  const file = await missingFile(folder, kind);
  if (file === undefined) return folder;
  const hint = (subfolder && (await hintOfFlat(root, subfolder, kind))) || (await hintOfSubfolders(root, kind, className, subfolder));
  // Without a hint, the code that reads the folder gives the better error.
  if (hint === undefined) return folder;
  throw new CheckpointError(`${folder.name}/${file} does not exist`, { hint });
}

async function openRoot(source: string | Folder, wanted: WantedPart, options: SourceOptions): Promise<Folder> {
  expectSource(source);
  if (typeof source === "string") return openSource(source, wanted, options);
  refuseConfig(source.name, options);
  return source;
}

async function hintOfFlat(root: Folder, subfolder: string, kind: PartKind): Promise<string | undefined> {
  if ((await missingFile(root, kind)) !== undefined) return undefined;
  return `there is no subfolder ${subfolder}; the folder itself holds ${await nameOf(root, kind)}: leave out subfolder`;
}

async function hintOfSubfolders(
  root: Folder,
  kind: PartKind,
  className: string | undefined,
  subfolder: string | undefined,
): Promise<string | undefined> {
  const found: { readonly subfolder: string; readonly name: string }[] = [];
  for (const own of partFolders()) {
    const folder = root.open(own);
    if ((await missingFile(folder, kind)) === undefined) found.push({ subfolder: own, name: await nameOf(folder, kind) });
  }
  const wanted = className === undefined ? [] : found.filter(({ name }) => name === withArticle(className));
  const [part] = wanted.length > 0 ? wanted : found;
  if (part === undefined) return undefined;
  if (wanted.length > 0 || found.length === 1) {
    return `the folder holds ${part.name} in its subfolder ${part.subfolder}: give { subfolder: "${part.subfolder}" }`;
  }
  if (subfolder) return undefined;
  const choices = found.map((each) => `${each.subfolder} (${each.name})`).join(", ");
  return `name the subfolder of the part: ${choices}`;
}

/** The first missing file of those that a part of this kind needs. */
async function missingFile(folder: Folder, kind: PartKind): Promise<string | undefined> {
  let first: string | undefined;
  for (const files of PART_FILES[kind].needed) {
    const there = await Promise.all(files.map((file) => folder.has(file)));
    if (!there.includes(false)) return undefined;
    first ??= files[there.indexOf(false)];
  }
  return first;
}

async function nameOf(folder: Folder, kind: PartKind): Promise<string> {
  if (kind === "tokenizer") return "a tokenizer";
  const [[file = ""] = []] = PART_FILES[kind].needed;
  const className = await readConfig(folder, file).then(classOf, () => undefined);
  return className === undefined ? `a ${kind}` : withArticle(className);
}
