import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join, sep } from "node:path";
import { onTestFinished, vi } from "vitest";
import { checkpoint } from "./fixtures.js";
import { temporaryFolder } from "./temporary.js";

/** One request as the server saw it. */
export interface LoggedRequest {
  /** Which of the two hosts: the hub, or the one it redirects large files to. */
  readonly host: "hub" | "cdn";
  readonly method: string;
  readonly path: string;
  readonly authorization: string | undefined;
  readonly range: string | undefined;
}

/** A fault in an answer. */
export type Fault =
  /** The connection breaks after this many bytes of the body. */
  | { readonly cutAfter: number }
  /** The first byte of the body is changed. */
  | { readonly damage: true }
  /** Nothing is ever answered. */
  | { readonly silence: true }
  /** Ranges are ignored. */
  | { readonly ignoreRange: true }
  /** A delay before each part of the body, in milliseconds. */
  | { readonly slow: number }
  /** Another answer. */
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: string };

/** A file of a repository. */
interface ServedFile {
  readonly bytes: Buffer;
  /** Git's hash of the file, or of the pointer of a large file. */
  readonly oid: string;
  /** Only for a large file. */
  readonly sha256: string | undefined;
}

type Files = ReadonlyMap<string, ServedFile>;

/** What lets pages of other origins read answers, as huggingface.co sends it. */
const CORS = {
  "access-control-allow-origin": "*",
  "access-control-allow-headers": "authorization, range",
  "access-control-expose-headers":
    "X-Repo-Commit,X-Error-Code,X-Error-Message,ETag,Link,Accept-Ranges,Content-Range,X-Linked-Size,X-Linked-ETag",
};

/**
 * A hub on this machine that speaks the protocol of huggingface.co, as far as downloads need it: revisions, paged trees, redirects of large
 * files to another host, ranges, hashes in headers, error codes. HF_ENDPOINT points to it, and HF_HUB_CACHE to an empty folder, until the
 * test ends.
 */
export class HubServer {
  readonly log: LoggedRequest[] = [];
  readonly cacheDir = join(temporaryFolder(), "hub");
  /** Files on one page of a listing. */
  pageSize = 1000;
  /** The token that every request needs, if any. */
  token: string | undefined;
  private readonly commits = new Map<string, Files>();
  private readonly refs = new Map<string, string>();
  private readonly faults: { readonly pattern: RegExp; times: number; readonly fault: Fault }[] = [];
  private readonly servers: Server[] = [];

  /** Starts a hub whose repositories hold test checkpoints, or files given here, under their ids. */
  static async start(repositories: Readonly<Record<string, string | Readonly<Record<string, Uint8Array | string>>>>): Promise<HubServer> {
    const hub = new HubServer();
    for (const [id, files] of Object.entries(repositories)) hub.push(id, files);
    await hub.listen("hub", 0);
    await hub.listen("cdn", 0);
    onTestFinished(() => hub.stop());
    vi.stubEnv("HF_ENDPOINT", hub.url);
    vi.stubEnv("HF_HUB_CACHE", hub.cacheDir);
    for (const name of ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE", "HF_HUB_DISABLE_SYMLINKS"]) vi.stubEnv(name, undefined);
    vi.stubEnv("HF_HOME", temporaryFolder());
    vi.stubEnv("DARKROOM_CACHE", temporaryFolder());
    onTestFinished(() => void vi.unstubAllEnvs());
    return hub;
  }

  get url(): string {
    return this.address(0);
  }

  get cdnUrl(): string {
    return this.address(1);
  }

  /** A new commit on a branch; what a string names is a checkpoint of the tests. Gives the commit's hash. */
  push(id: string, files: string | Readonly<Record<string, Uint8Array | string>>, branch = "main"): string {
    const entries = typeof files === "string" ? filesOf(checkpoint(files)) : Object.entries(files);
    const served = new Map(entries.map(([path, content]) => [path, toServed(path, Buffer.from(content as Uint8Array))]));
    const commit = hashOf("sha1", Buffer.from(JSON.stringify([id, this.commits.size, [...served.keys()]])));
    this.commits.set(`${id}@${commit}`, served);
    this.refs.set(`${id}@${branch}`, commit);
    return commit;
  }

  /** Makes the next request, or the next few, fail whose path and query fit `pattern`. */
  fail(pattern: RegExp, fault: Fault, times = 1): void {
    this.faults.push({ pattern, times, fault });
  }

  /** Removes the faults that have not happened yet. */
  forgive(): void {
    this.faults.length = 0;
  }

  /** The paths of the requested files, once each, in alphabetical order. */
  get fetched(): string[] {
    const paths = this.log.flatMap(({ host, path }) => (host === "hub" ? (/\/resolve\/[^/]+\/(.*)$/.exec(path)?.[1] ?? []) : []));
    return [...new Set(paths.map(decodeURIComponent))].sort();
  }

  async stop(): Promise<void> {
    for (const server of this.servers.splice(0)) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  private address(i: number): string {
    const address = this.servers[i]?.address() as AddressInfo | undefined;
    return `http://127.0.0.1:${address?.port}`;
  }

  private async listen(host: "hub" | "cdn", port: number): Promise<void> {
    const server = createServer((request, response) => {
      const { url: path = "", method = "", headers } = request;
      this.log.push({ host, method, path, authorization: headers.authorization, range: headers.range });
      for (const [name, value] of Object.entries(CORS)) response.setHeader(name, value);
      if (method === "OPTIONS") return void response.writeHead(204).end();
      const fault = this.faults.find(({ pattern, times }) => times > 0 && pattern.test(path));
      if (fault) fault.times--;
      if (fault && "silence" in fault.fault) return;
      if (fault && "status" in fault.fault) {
        response.writeHead(fault.fault.status, fault.fault.headers).end(fault.fault.body);
        return;
      }
      if (host === "hub") this.answer(request, response, fault?.fault);
      else this.give(request, response, this.largeFile(path.slice(1)), fault?.fault);
    });
    this.servers.push(server);
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  }

  private answer(request: IncomingMessage, response: ServerResponse, fault: Fault | undefined): void {
    const { pathname, searchParams } = new URL(request.url ?? "", "http://hub");
    const [, id = "", kind, revision = "", path = ""] =
      /^\/(?:api\/models\/)?([^/]+\/[^/]+)\/(revision|tree|resolve)\/([^/]+)\/?(.*)$/.exec(pathname) ?? [];
    const refuse = (status: number, code: string, message = code) =>
      response.writeHead(status, { "x-error-code": code, "x-error-message": message }).end();
    if (this.token !== undefined && request.headers.authorization !== `Bearer ${this.token}`) return void refuse(401, "RepoNotFound");
    if (![...this.refs.keys()].some((ref) => ref.startsWith(`${id}@`)))
      return void refuse(request.headers.authorization ? 404 : 401, "RepoNotFound");
    const name = decodeURIComponent(revision);
    const commit = this.refs.get(`${id}@${name}`) ?? name;
    const files = this.commits.get(`${id}@${commit}`);
    if (!files) return void refuse(404, "RevisionNotFound");
    if (kind === "revision")
      return void sendJson(response, { id, sha: commit, siblings: [...files.keys()].map((rfilename) => ({ rfilename })) });
    if (kind === "tree") return void this.listTree(response, pathname, files, Number(searchParams.get("cursor") ?? 0));
    const file = files.get(decodeURIComponent(path));
    response.setHeader("x-repo-commit", commit);
    if (!file) return void refuse(404, "EntryNotFound");
    if (file.sha256 === undefined) return void this.give(request, response, file, fault);
    response
      .writeHead(302, {
        location: `${this.cdnUrl}/${file.sha256}`,
        etag: `"${file.oid}"`,
        "x-linked-etag": `"${file.sha256}"`,
        "x-linked-size": String(file.bytes.length),
      })
      .end();
  }

  private listTree(response: ServerResponse, pathname: string, files: Files, start: number): void {
    const entries = [...files].map(([path, { bytes, oid, sha256 }]) => ({
      type: "file",
      path,
      oid,
      size: bytes.length,
      ...(sha256 !== undefined && { lfs: { oid: sha256, size: bytes.length, pointerSize: 134 } }),
    }));
    const folders = [...new Set([...files.keys()].filter((path) => path.includes("/")).map((path) => path.replace(/\/.*/, "")))];
    const all = [...folders.map((path) => ({ type: "directory", path, oid: "0".repeat(40), size: 0 })), ...entries];
    const next = start + this.pageSize;
    if (next < all.length) response.setHeader("link", `<${this.url}${pathname}?recursive=true&cursor=${next}>; rel="next"`);
    sendJson(response, all.slice(start, next));
  }

  private largeFile(sha256: string): ServedFile | undefined {
    return [...this.commits.values()].flatMap((files) => [...files.values()]).find((file) => file.sha256 === sha256);
  }

  /** A file's bytes, all or the requested range. */
  private give(request: IncomingMessage, response: ServerResponse, file: ServedFile | undefined, fault: Fault | undefined): void {
    if (!file) return void response.writeHead(404).end();
    const { bytes, oid, sha256 } = file;
    const start = fault && "ignoreRange" in fault ? 0 : Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
    if (start >= bytes.length && start > 0) return void response.writeHead(416, { "content-range": `bytes */${bytes.length}` }).end();
    const part = Buffer.from(bytes.subarray(start));
    if (fault && "damage" in fault) part[0] = (part[0] ?? 0) ^ 1;
    response.writeHead(start > 0 ? 206 : 200, {
      etag: `"${sha256 ?? oid}"`,
      "content-length": String(part.length),
      "accept-ranges": "bytes",
      ...(start > 0 && { "content-range": `bytes ${start}-${bytes.length - 1}/${bytes.length}` }),
    });
    if (request.method === "HEAD") return void response.end();
    if (fault && "cutAfter" in fault) {
      // When the connection breaks, fetch drops the bytes that its caller has not read yet. The pause lets the caller read them, also on a
      // busy machine.
      response.write(part.subarray(0, fault.cutAfter), () => setTimeout(() => response.destroy(), 200));
      return;
    }
    if (fault && "slow" in fault) return void trickle(response, part, fault.slow);
    response.end(part);
  }
}

async function trickle(response: ServerResponse, bytes: Buffer, pause: number): Promise<void> {
  for (let at = 0; at < bytes.length && !response.destroyed; at += 16_384) {
    response.write(bytes.subarray(at, at + 16_384));
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
  response.end();
}

/** The files of a folder, by their paths in it. */
export function filesOf(folder: string): [string, Buffer][] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return entries.map(({ parentPath, name }) => {
    const path = join(parentPath, name);
    return [
      path
        .slice(folder.length + 1)
        .split(sep)
        .join("/"),
      readFileSync(path),
    ];
  });
}

function toServed(path: string, bytes: Buffer): ServedFile {
  const isLarge = /\.(safetensors|bin|ckpt|onnx|msgpack|pt)$/.test(path);
  const sha256 = isLarge ? hashOf("sha256", bytes) : undefined;
  const inGit = isLarge ? Buffer.from(`version https://git-lfs.github.com/spec/v1\noid sha256:${sha256}\nsize ${bytes.length}\n`) : bytes;
  return { bytes, sha256, oid: hashOf("sha1", Buffer.concat([Buffer.from(`blob ${inGit.length}\0`), inGit])) };
}

function hashOf(algorithm: "sha1" | "sha256", bytes: Buffer): string {
  return createHash(algorithm).update(bytes).digest("hex");
}

function sendJson(response: ServerResponse, value: unknown): void {
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify(value));
}
