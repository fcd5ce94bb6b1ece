import { CheckpointError } from "../../errors.js";
import { pageTurn } from "../../page-turn.js";
import { isPassing } from "../../retrying.js";
import type { FileRef } from "../../tensor/stored-tensor.js";
import type { DownloadWatch, Folder } from "../folder.js";
import { keptFile } from "./url-cache.js";
import { fetchRange, fetchWhole, pauseAfter, refusal, unreadable, urlFile } from "./web-file.js";

/*
 * A server lists no folders. So the names that the files of a part can have are tried, those of the usual layout first. A folder with other
 * names can have a list: a file `files.json`, a JSON array of the paths of all files below it.
 */
const LIST = "files.json";
const CONFIGS: readonly string[] = [
  "model_index.json",
  "config.json",
  "scheduler_config.json",
  "preprocessor_config.json",
  "vocab.json",
  "merges.txt",
  "tokenizer.json",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "added_tokens.json",
  "spiece.model",
  "chat_template.jinja",
  "chat_template.json",
];
const WEIGHTS: readonly string[] = ["diffusion_pytorch_model", "model"].flatMap((base) => [
  `${base}.safetensors`,
  `${base}.safetensors.index.json`,
  `${base}.fp16.safetensors`,
  `${base}.safetensors.index.fp16.json`,
  `${base}.fp16.safetensors.index.json`,
]);

/** What a server says of a file. */
interface Head {
  /** NaN if the server does not say. */
  readonly size: number;
  /** What changes when the file changes; undefined if the server does not say. */
  readonly stamp: string | undefined;
}

/** What is known of a checkpoint's files on a server; its subfolders share it. */
class Site {
  private readonly heads = new Map<string, Promise<Head | undefined>>();
  private listing: Promise<readonly string[] | undefined> | undefined;
  /** Why the server did not answer at all, the last time that it did not. */
  private silence: unknown;

  /** `root` is the address of the checkpoint's folder, with a slash at the end. */
  constructor(
    readonly root: string,
    private readonly name: string,
    /** Whether weights are kept in the browser. */
    readonly keeps: boolean,
  ) {}

  /** What the server says of an address; undefined if nothing is there. @throws CheckpointError if the server is busy for long */
  head(url: string): Promise<Head | undefined> {
    const known =
      this.heads.get(url) ??
      headOf(url, (cause) => {
        this.silence = cause;
      });
    this.heads.set(url, known);
    return known;
  }

  /** The error for a folder in which nothing was found. */
  nothingAt(name: string): CheckpointError {
    if (this.silence !== undefined) return unreadable(name, this.silence);
    return new CheckpointError(`${name} does not exist, or has no file of a checkpoint`, {
      hint: `check the address; for other file names, put a list of all files beside them: ${LIST}, ["unet/config.json", ...]`,
    });
  }

  /** Paths of all files, if the folder has a list. */
  files(): Promise<readonly string[] | undefined> {
    this.listing ??= this.readList();
    return this.listing;
  }

  private async readList(): Promise<readonly string[] | undefined> {
    const url = this.root + LIST;
    if ((await this.head(url)) === undefined) return undefined;
    const text = await fetchWhole(url, `${this.name}/${LIST}`, { cache: "no-cache" }, (answer) => answer.text());
    const list = parsed(text);
    if (Array.isArray(list) && list.every((each) => typeof each === "string")) return list;
    throw new CheckpointError(`${this.name}/${LIST} is not a list of paths`, {
      hint: 'expected ["model_index.json", "unet/config.json", ...]',
    });
  }
}

/** The value of a JSON text; undefined if it is none. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function headOf(url: string, onSilence: (cause: unknown) => void): Promise<Head | undefined> {
  const ask = () =>
    fetch(url, { method: "HEAD", cache: "no-cache" }).catch((cause: unknown) => {
      onSilence(cause);
      return undefined;
    });
  let answer = await ask();
  // A server that is busy does not say that nothing is there.
  for (let failures = 1; answer && isPassing(answer.status); failures++) {
    await pauseAfter(refusal(url, answer), failures);
    answer = await ask();
  }
  // Servers of single-page apps answer everything with their page.
  if (!answer?.ok || answer.headers.get("content-type")?.startsWith("text/html")) return undefined;
  const { headers } = answer;
  const stamp = headers.get("etag") ?? headers.get("last-modified") ?? undefined;
  return { size: Number(headers.get("content-length") ?? Number.NaN), stamp };
}

/** A checkpoint's folder on a web server. */
class UrlFolder implements Folder {
  constructor(
    readonly name: string,
    private readonly site: Site,
    /** Its path below the checkpoint's folder, with a slash at the end; empty for that folder itself. */
    private readonly below = "",
    private readonly watch?: DownloadWatch,
  ) {}

  async check(): Promise<void> {
    if ((await this.list()).length > 0) return;
    throw this.site.nothingAt(this.name);
  }

  async list(): Promise<readonly string[]> {
    const files = await this.site.files();
    if (files) {
      const own = files.filter((path) => path.startsWith(this.below)).map((path) => path.slice(this.below.length));
      return own.filter((name) => !name.includes("/"));
    }
    const names = [...CONFIGS, ...WEIGHTS];
    const asked: Promise<boolean>[] = [];
    for (const name of names) {
      // A browser takes a millisecond or more to begin a request.
      await pageTurn();
      asked.push(this.has(name));
    }
    const found = await Promise.all(asked);
    return names.filter((_, i) => found[i]);
  }

  async has(path: string): Promise<boolean> {
    const url = this.url(path);
    const files = await this.site.files();
    return files ? files.includes(this.below + path) : (await this.site.head(url)) !== undefined;
  }

  async size(path: string): Promise<number> {
    const url = this.url(path);
    const size = (await this.site.head(url))?.size;
    if (size === undefined) throw new CheckpointError(`${this.label(path)} does not exist`, { hint: `nothing is at ${url}` });
    if (!Number.isNaN(size)) return size;
    throw new CheckpointError(`${this.label(path)}: the server does not say how long the file is`, {
      hint: "it must send the file uncompressed, with the header content-length; a server of another origin must expose it",
    });
  }

  async read(path: string, offset = 0, length?: number): Promise<Uint8Array<ArrayBuffer>> {
    if (length !== undefined) return fetchRange(this.url(path), this.label(path), offset, length);
    const bytes = await fetchWhole(this.url(path), this.label(path), { cache: "no-cache" }, (answer) => answer.arrayBuffer());
    return new Uint8Array(bytes).slice(offset);
  }

  async file(path: string): Promise<FileRef> {
    const [size, url] = [await this.size(path), this.url(path)];
    const { stamp } = (await this.site.head(url)) ?? {};
    const { root, keeps } = this.site;
    const kept = keeps && stamp !== undefined ? await keptFile({ root, path: this.below + path, url, size, stamp }, this.watch) : undefined;
    return kept ?? urlFile(url);
  }

  open(subfolder: string): Folder {
    return new UrlFolder(this.label(subfolder), this.site, `${this.below}${subfolder}/`, this.watch);
  }

  watched(watch: DownloadWatch): Folder {
    return new UrlFolder(this.name, this.site, this.below, watch);
  }

  private url(path: string): string {
    const parts = (this.below + path).split("/");
    if (parts.some((part) => part === "" || part === "." || part === "..") || path.includes("\\")) {
      throw new CheckpointError(`${this.name}: ${JSON.stringify(path)} is not a path inside the checkpoint`, {
        hint: "paths in a checkpoint are relative, with / between the parts and without ..",
      });
    }
    return this.site.root + parts.map(encodeURIComponent).join("/");
  }

  private label(path: string): string {
    return `${this.name.replace(/\/+$/, "")}/${path}`;
  }
}

/**
 * The checkpoint's folder at an address. Nothing is read yet. Files whose bytes are needed as a whole are kept in the browser, if the
 * server says when they change; not with `keeps: false`.
 */
export function urlFolder(url: string, name: string, { keeps = true } = {}): Folder {
  return new UrlFolder(name, new Site(url.replace(/\/*$/, "/"), name, keeps));
}
