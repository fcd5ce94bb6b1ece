import { readJson } from "../checkpoint/config.js";
import { MODEL_INDEX, noModelIndex, readModelIndex } from "../checkpoint/model-index.js";
import { subfolderAmong } from "../checkpoint/part-folder.js";
import { kindOf, PART_FILES, type PartKind } from "../checkpoint/part-kind.js";
import { findWeights, noWeights, readShards } from "../checkpoint/weights.js";
import { CheckpointError, type DarkroomError, HubError } from "../errors.js";
import type { Folder } from "../platform/folder.js";
import type { WantedFiles, WantedNames, WantedPipeline } from "./wanted-files.js";

/** The known files of a repository: all files if the hub listed them, else those in the cached snapshot. */
export interface Listing {
  /** How messages name the repository. */
  readonly name: string;
  readonly paths: readonly string[];
  /** Reads the files that have been fetched. */
  readonly folder: Folder;
  /** Downloads files, unless the listing is of a cached snapshot. */
  fetch(paths: readonly string[]): Promise<void>;
}

/** A needed file that is not in the listing. */
export interface MissingFile {
  readonly path: string;
  /** The error to throw if the file does not exist on the hub either. */
  readonly error: DarkroomError;
  /** A listed file that the caller may have meant instead of the repository. */
  readonly instead?: string;
}

/** The chosen files of a repository. */
export interface ChosenFiles {
  /** Listed files that the checkpoint can do without. They are downloaded first, so a snapshot with all needed files has these, too. */
  readonly optional: readonly string[];
  readonly needed: readonly string[];
  readonly missing: readonly MissingFile[];
  /** Whether the choice would be the same with more files listed: every part has the wanted variant, and `model_index.json` is listed. */
  readonly isFinal: boolean;
}

const CONFIG = "config.json";

interface Part {
  readonly subfolder: string;
  readonly kind: PartKind;
  readonly hasWeights: boolean;
}

const NOTHING: ChosenFiles = { optional: [], needed: [], missing: [], isFinal: true };

/** {@link chooseFiles} for one request. */
export type Choose = (listing: Listing) => Promise<ChosenFiles>;

/** Chooses the files of a repository by what is wanted. @throws CheckpointError for a broken index. */
export async function chooseFiles(listing: Listing, wanted: WantedFiles, variant: string | undefined): Promise<ChosenFiles> {
  if (wanted.kind === "names") return chooseByName(listing, wanted);
  const index = await chooseIndex(listing, wanted);
  if (index.missing.length > 0) return index;
  const chosen = [index];
  for (const part of await partsOf(listing, wanted)) {
    chosen.push(chooseConfigs(listing, part));
    if (part.hasWeights) chosen.push(await chooseWeights(listing, part, variant));
  }
  return {
    optional: chosen.flatMap(({ optional }) => optional),
    needed: chosen.flatMap(({ needed }) => needed),
    missing: chosen.flatMap(({ missing }) => missing),
    isFinal: chosen.every(({ isFinal }) => isFinal),
  };
}

function chooseByName({ name, paths }: Listing, { choose }: WantedNames): ChosenFiles {
  try {
    return { ...NOTHING, needed: choose(name, paths), isFinal: false };
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error;
    return { ...NOTHING, missing: [{ path: error.message, error }] };
  }
}

/** The pipeline's `model_index.json`, unless one part is wanted. */
async function chooseIndex({ name, paths, fetch }: Listing, { kind }: WantedFiles): Promise<ChosenFiles> {
  if (kind !== "pipeline" && kind !== "configs") return NOTHING;
  if (paths.includes(MODEL_INDEX)) {
    await fetch([MODEL_INDEX]);
    return { ...NOTHING, needed: [MODEL_INDEX] };
  }
  // For a repository that is one model, its config is enough to name its class in an error.
  if (paths.includes(CONFIG)) return { ...NOTHING, needed: [CONFIG], isFinal: false };
  return { ...NOTHING, missing: [{ path: MODEL_INDEX, error: noModelIndex(name, namesIn(paths, "")), instead: singleIn(paths) }] };
}

async function partsOf(listing: Listing, wanted: Exclude<WantedFiles, WantedNames>): Promise<readonly Part[]> {
  switch (wanted.kind) {
    case "pipeline":
      return partsOfPipeline(listing, wanted);
    case "configs":
      return (await partsOfPipeline(listing, {})).map((part) => ({ ...part, hasWeights: false }));
    case "part":
      return [{ subfolder: wanted.subfolder, kind: wanted.part, hasWeights: wanted.part === "model" }];
    case "part-config":
      return [{ subfolder: wanted.subfolder, kind: "model", hasWeights: false }];
    case "network":
      return [{ subfolder: "", kind: "model", hasWeights: true }];
  }
}

async function partsOfPipeline(
  { paths, folder }: Listing,
  { without = [], withoutWeights = [], accept }: Omit<WantedPipeline, "kind">,
): Promise<readonly Part[]> {
  if (!paths.includes(MODEL_INDEX)) return [];
  const index = await readModelIndex(folder);
  accept?.(index, folder);
  return [...index.components].flatMap(([name, component]) => {
    if (!component || without.includes(name)) return [];
    const kind = kindOf(component.className);
    const hasWeights = kind === "model" && !withoutWeights.includes(name);
    const beside = TOGETHER.has(component.className) ? foldersBeside(name, paths) : [];
    return [subfolderAmong(paths, name), ...beside].map((subfolder) => ({ subfolder, kind, hasWeights }));
  });
}

/** Classes of several networks that were saved together. */
const TOGETHER: ReadonlySet<string> = new Set(["MultiControlNetModel", "MultiControlNetUnionModel", "MultiAdapter"]);

/** The folders of the other networks that were saved together with the first: `controlnet_1`, `controlnet_2`, ... */
function foldersBeside(name: string, paths: readonly string[]): readonly string[] {
  const folders: string[] = [];
  for (let i = 1; paths.includes(`${name}_${i}/${CONFIG}`); i++) folders.push(`${name}_${i}`);
  return folders;
}

function chooseConfigs({ name, paths }: Listing, { subfolder, kind }: Part): ChosenFiles {
  const there = namesIn(paths, subfolder);
  const { needed: sets, optional = [] } = PART_FILES[kind];
  const needed = sets.find((set) => set.every((file) => there.includes(file))) ?? sets[0] ?? [];
  const absent = needed.filter((file) => !there.includes(file)).map((file) => join(subfolder, file));
  return {
    ...NOTHING,
    optional: optional.filter((file) => there.includes(file)).map((file) => join(subfolder, file)),
    needed: needed.filter((file) => there.includes(file)).map((file) => join(subfolder, file)),
    missing: absent.map((path) => ({ path, error: absentFile(name, path, paths), instead: path === CONFIG ? singleIn(paths) : undefined })),
  };
}

async function chooseWeights(listing: Listing, { subfolder }: Part, variant: string | undefined): Promise<ChosenFiles> {
  const { name, paths, fetch } = listing;
  const there = namesIn(paths, subfolder);
  const weights = findWeights(there, { variant });
  if (!weights) {
    const path = join(subfolder, await usualName(listing, subfolder, variant));
    const error = noWeights(subfolder === "" ? name : `${name}/${subfolder}`, there, { variant });
    return { ...NOTHING, missing: [{ path, error }] };
  }
  const { path, isIndex, isAsked: isFinal } = weights;
  const first = join(subfolder, path);
  if (!isIndex) return { ...NOTHING, needed: [first], isFinal };
  await fetch([first]);
  const folder = subfolder === "" ? listing.folder : listing.folder.open(subfolder);
  const shards = [...(await readShards(folder, path)).keys()];
  const absent = shards.filter((shard) => !there.includes(shard)).map((shard) => join(subfolder, shard));
  return {
    optional: [],
    needed: [first, ...shards.filter((shard) => there.includes(shard)).map((shard) => join(subfolder, shard))],
    missing: absent.map((shard) => ({ path: shard, error: absentFile(name, shard, paths) })),
    isFinal,
  };
}

/** The usual name of a part's weight file. It depends on the library; only diffusers writes `_class_name` into the config. */
async function usualName({ paths, folder, fetch }: Listing, subfolder: string, variant: string | undefined): Promise<string> {
  const config = join(subfolder, CONFIG);
  await fetch([config]);
  const isDiffusers = !paths.includes(config) || "_class_name" in (await readJson(folder, config));
  return `${isDiffusers ? "diffusion_pytorch_model" : "model"}${variant === undefined ? "" : `.${variant}`}.safetensors`;
}

function absentFile(name: string, path: string, paths: readonly string[]): HubError {
  const folders = [...new Set(paths.flatMap((other) => (other.includes("/") ? other.slice(0, other.indexOf("/")) : [])))];
  const single = path === CONFIG ? singleIn(paths) : undefined;
  const elsewhere =
    folders.length > 0 ? `it has the folders ${folders.slice(0, 12).join(", ")}` : "it has no folders: leave the subfolder out";
  return new HubError(`${name} has no ${path}`, {
    problem: "file-not-found",
    hint: single === undefined ? elsewhere : `it has ${single}: to open this file, give ${name}/${single}`,
  });
}

/** A safetensors file at the top of a repository, which may be a whole checkpoint or a network. */
function singleIn(paths: readonly string[]): string | undefined {
  return namesIn(paths, "").find((file) => file.endsWith(".safetensors"));
}

/** Names of the files directly in a folder of the repository. */
function namesIn(paths: readonly string[], subfolder: string): readonly string[] {
  const start = subfolder === "" ? "" : `${subfolder}/`;
  return paths.flatMap((path) => (path.startsWith(start) && !path.includes("/", start.length) ? path.slice(start.length) : []));
}

function join(subfolder: string, file: string): string {
  return subfolder === "" ? file : `${subfolder}/${file}`;
}
