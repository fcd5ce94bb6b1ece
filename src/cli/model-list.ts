import { stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { openFolder, openWeightCache } from "#platform";
import { listCachedRepositories } from "../hub/cached-repositories.js";
import type { CachedRepository } from "../platform/hub.js";
import { fileKind, folderKind } from "./model-kinds.js";
import { walk } from "./walk.js";

/** A checkpoint, a network, a LoRA or an embedding on this machine. */
export interface ListedModel {
  /** Its name for `generate`: a hub id or a path. */
  readonly name: string;
  /** A pipeline's or network's class, or a file's kind; null if unknown. */
  readonly kind: string | null;
  /** Bytes on disk. */
  readonly size: number;
  /** When it was last read or written. */
  readonly lastUsed: Date;
  readonly path: string;
  /** The cached commits of a repository, each with the branches and tags that point to it. */
  readonly revisions?: readonly { readonly commit: string; readonly refs: readonly string[] }[];
  /** Bytes of unfinished downloads, which are part of `size`. */
  readonly unfinished?: number;
}

/** The models in the hub's cache. */
export async function modelsInCache(cacheDir: string | undefined): Promise<ListedModel[]> {
  const repositories = await listCachedRepositories({ cacheDir });
  return Promise.all(
    repositories.map(async (repository) => {
      const { id, path, size, unfinished, revisions, lastAccessed, lastModified } = repository;
      return {
        name: id,
        kind: await kindOfRepository(repository),
        size,
        lastUsed: lastAccessed > lastModified ? lastAccessed : lastModified,
        path,
        revisions: revisions.map(({ commit, refs }) => ({ commit, refs })),
        unfinished,
      };
    }),
  );
}

/** The weights that `--quantize` made, and their folder. */
export async function modelsQuantised(): Promise<{ readonly place: string; readonly models: ListedModel[] }> {
  const files = await openWeightCache().list();
  const models = files.map(({ name, path, size, made }) => ({ name, kind: "quantised weights", size, lastUsed: made, path }));
  return { place: files[0] ? dirname(files[0].path) : "", models };
}

/** The models in a folder and below: folders in diffusers' layout, and weights' files outside these folders. @throws ArgumentError */
export async function modelsIn(folder: string): Promise<ListedModel[]> {
  const models: ListedModel[] = [];
  await walk(folder, async ({ path, files }) => {
    const kind = await folderKind(path, files);
    if (kind !== undefined) {
      models.push(await listed(path, kind, await filesBelow(path)));
      return false;
    }
    for (const name of files.filter(isSafetensors)) {
      const file = join(path, name);
      models.push(await listed(file, await fileKind(path, name), [file]));
    }
    return true;
  });
  return models;
}

async function listed(path: string, kind: string, files: readonly string[]): Promise<ListedModel> {
  const stats = await Promise.all(files.map((file) => stat(file)));
  return {
    name: path,
    kind,
    size: stats.reduce((sum, { size }) => sum + size, 0),
    lastUsed: new Date(Math.max(...stats.flatMap(({ atimeMs, mtimeMs }) => [atimeMs, mtimeMs]))),
    path,
  };
}

async function filesBelow(root: string): Promise<string[]> {
  const found: string[] = [];
  await walk(root, ({ path, files }) => {
    found.push(...files.map((name) => join(path, name)));
    return true;
  });
  return found;
}

/** The kind of the revision that "main" points to, or of the newest one. */
async function kindOfRepository({ revisions }: CachedRepository): Promise<string | null> {
  const [newest] = [...revisions].sort((a, b) => b.lastModified.getTime() - a.lastModified.getTime());
  const revision = revisions.find(({ refs }) => refs.includes("main")) ?? newest;
  if (!revision) return null;
  const files = await openFolder(revision.path).list();
  const single = files.find(isSafetensors);
  return (await folderKind(revision.path, files)) ?? (single === undefined ? null : await fileKind(revision.path, single));
}

function isSafetensors(name: string): boolean {
  return /\.(safetensors|gguf)$/i.test(name);
}
