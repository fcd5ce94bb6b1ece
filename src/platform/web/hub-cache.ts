import { HubError } from "../../errors.js";
import type { CachedRepository, RepositoryCache } from "../hub.js";

export function openRepositoryCache(id: string): RepositoryCache {
  throw new HubError(`${id} cannot be opened: downloads from the hub are not yet possible in a browser`, {
    problem: "offline",
    hint: "put the checkpoint's folder on a web server, and give its address",
  });
}

export async function listRepositories(): Promise<readonly CachedRepository[]> {
  return [];
}

export async function removeRepository(): Promise<number | undefined> {
  return undefined;
}
