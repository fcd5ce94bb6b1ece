import { isObject, type Json, type JsonObject, parseJson } from "../checkpoint/json.js";
import { HubError } from "../errors.js";
import { type HubSettings, isCommit, type RemoteFile } from "../platform/hub.js";
import { type Asked, DAMAGED, refusal } from "./refusal.js";
import { isSafePath } from "./repository-id.js";
import { type Answer, pauseAfter, persist, type RequestOptions, send } from "./request.js";

/** In bytes. Listings of real repositories are far smaller; a hub that sends more is broken or malicious. */
const LARGEST_LISTING = 50_000_000;
const MOST_PAGES = 100;
const API_ATTEMPTS = 4;
const DOWNLOAD_ATTEMPTS = 6;
/** Bytes after which failures are counted anew. A download whose connections keep breaking after fewer bytes is given up. */
const PROGRESS = 1_000_000;

/**
 * Requests to the Hugging Face hub about one repository. We do not use `@huggingface/hub` (6 MB in 1,500 files): its downloads have no
 * resuming, hashes, locks or progress, and its cache scanner does not read subfolders.
 */
export class HubApi {
  constructor(
    private readonly id: string,
    private readonly settings: HubSettings,
    /** Ends all requests. */
    readonly signal: AbortSignal,
  ) {}

  /**
   * The commit of a branch or tag. With `once`, a failed request is not repeated: the caller can use the cache instead. @throws HubError
   */
  async commitOf(revision: string, { once }: { readonly once: boolean }): Promise<string> {
    const url = this.url("api/models/", this.id, "/revision/", encodeURIComponent(revision));
    const { json } = await this.json(url, { id: this.id, revision }, once ? 1 : API_ATTEMPTS);
    const sha = isObject(json) ? json.sha : undefined;
    if (typeof sha === "string" && isCommit(sha)) return sha;
    throw this.nonsense(`gave no commit for revision ${revision}`);
  }

  /** All files of a commit. Files whose paths are not safe on every system (`..`, a drive) are left out. @throws HubError */
  async files(commit: string): Promise<readonly ListedFile[]> {
    const first = this.url("api/models/", this.id, "/tree/", commit);
    const files: ListedFile[] = [];
    let search: string | undefined = "?recursive=true";
    for (let pages = 0; search !== undefined; pages++) {
      if (pages === MOST_PAGES) throw this.nonsense(`lists more than ${MOST_PAGES} pages of files`);
      const { json, headers }: { json: Json; headers: Headers } = await this.json(
        first + search,
        { id: this.id, revision: commit },
        API_ATTEMPTS,
      );
      if (!Array.isArray(json)) throw this.nonsense("gave no list of files");
      for (const entry of json) {
        const file = isObject(entry) && entry.type === "file" ? toFile(entry) : undefined;
        if (file && isSafePath(file.path)) files.push(file);
      }
      search = nextPage(headers.get("link"));
    }
    return files;
  }

  /** A file's bytes from `offset` on. A broken connection is replaced by a new one. @throws HubError */
  async *read(commit: string, { path, size }: RemoteFile, offset: number): AsyncGenerator<Uint8Array> {
    const url = this.resolveUrl(commit, path);
    for (let at = offset, failures = 0, failedAt = offset; at < size; ) {
      try {
        for await (const bytes of this.readOnce(url, at, { id: this.id, revision: commit, path })) {
          at += bytes.length;
          if (at > size) {
            throw new HubError(`${this.id}: ${path} is longer than its ${size} bytes`, { problem: "corrupt", hint: DAMAGED });
          }
          yield bytes;
        }
        if (at < size) throw new HubError(`${this.id}: ${path} ended after ${at} of ${size} bytes`, { problem: "network", hint: DAMAGED });
      } catch (error) {
        failures = at - failedAt >= PROGRESS ? 1 : failures + 1;
        failedAt = at;
        if (failures === DOWNLOAD_ATTEMPTS) throw error;
        await pauseAfter(error, failures, this.signal);
      }
    }
  }

  private async *readOnce(url: string, from: number, asked: Asked): AsyncGenerator<Uint8Array> {
    const headers = from > 0 ? { range: `bytes=${from}-` } : undefined;
    const answer = await this.ask(url, asked, { timeout: this.settings.downloadTimeout, headers });
    // A page sees only the headers that the server shows to it.
    const range = answer.headers.get("content-range") ?? `bytes ${from}-`;
    const start = answer.status === 206 ? Number(/^bytes (\d+)-/.exec(range)?.[1]) : 0;
    // A server without support for ranges sends the file from its beginning.
    let surplus = from - start;
    if (!(surplus >= 0)) {
      answer.close();
      throw this.nonsense(`was asked for the bytes from ${from} on and sent others`);
    }
    for await (const bytes of answer.body()) {
      if (surplus < bytes.length) yield bytes.subarray(surplus);
      surplus = Math.max(surplus - bytes.length, 0);
    }
  }

  /** A listed file with its size and hash. If the listing lacks them, the headers of the file have them. @throws HubError */
  async describe(commit: string, { path, ...listed }: ListedFile): Promise<RemoteFile> {
    if (listed.size !== undefined && listed.blob !== undefined) return { path, size: listed.size, blob: listed.blob };
    const headers = await persist(
      async () => {
        const asked = { id: this.id, revision: commit, path };
        const answer = await this.ask(this.resolveUrl(commit, path), asked, { method: "HEAD", timeout: this.settings.apiTimeout });
        answer.close();
        return answer.headers;
      },
      { attempts: API_ATTEMPTS, signal: this.signal },
    );
    const blob = (headers.get("x-linked-etag") ?? headers.get("etag") ?? "").replace(/^W\//, "").replaceAll('"', "");
    const size = Number(headers.get("x-linked-size") ?? headers.get("content-length") ?? Number.NaN);
    if (/^\w[\w.-]{0,127}$/.test(blob) && isSize(size)) return { path, size, blob };
    throw this.nonsense(`does not give the size and hash of ${path}`);
  }

  private json(url: string, asked: Asked, attempts: number): Promise<{ json: Json; headers: Headers }> {
    const work = async () => {
      const answer = await this.ask(url, asked, { timeout: this.settings.apiTimeout });
      const decoder = new TextDecoder();
      let text = "";
      let length = 0;
      for await (const bytes of answer.body()) {
        length += bytes.length;
        if (length > LARGEST_LISTING) throw this.nonsense(`sent a listing of more than ${LARGEST_LISTING} bytes`);
        text += decoder.decode(bytes, { stream: true });
      }
      try {
        return { json: parseJson(text, { depth: 64 }), headers: answer.headers };
      } catch (cause) {
        throw this.nonsense("sent something that is not JSON", cause);
      }
    };
    return persist(work, { attempts, signal: this.signal });
  }

  private async ask(
    url: string,
    asked: Asked,
    { headers, ...options }: Omit<RequestOptions, "about" | "connection" | "signal">,
  ): Promise<Answer> {
    const { token, words } = this.settings;
    const authorization = token === undefined ? undefined : { authorization: `Bearer ${token}` };
    // Sizes and ranges must be those of the file, not of a compressed form.
    const own = { "accept-encoding": "identity", ...authorization, ...headers };
    const answer = await send(url, { ...options, about: this.id, connection: words.connection, headers: own, signal: this.signal });
    if (answer.status === 200 || answer.status === 206) return answer;
    answer.close();
    throw refusal(answer, asked, this.settings);
  }

  private nonsense(what: string, cause?: unknown): HubError {
    return new HubError(`${this.settings.endpoint} ${what}`, {
      problem: "invalid-answer",
      hint: `if ${this.settings.words.endpoint} is set, check that it names a hub; behind a proxy or a login page, check that the hub itself answers`,
      cause,
    });
  }

  private resolveUrl(commit: string, path: string): string {
    return this.url(this.id, "/resolve/", commit, "/", path.split("/").map(encodeURIComponent).join("/"));
  }

  private url(...parts: readonly string[]): string {
    return `${this.settings.endpoint}/${parts.join("")}`;
  }
}

/** A file in a listing. Other hubs than Hugging Face's may leave out its hash or size. */
export type ListedFile = Pick<RemoteFile, "path"> & Partial<RemoteFile>;

function toFile({ path, size, oid, lfs }: JsonObject): ListedFile | undefined {
  if (typeof path !== "string") return undefined;
  const large = isObject(lfs) ? lfs : {};
  const sha256 = typeof large.oid === "string" ? large.oid.replace(/^sha256:/, "") : undefined;
  return { path, size: [large.size ?? size].find(isSize), blob: [sha256 ?? oid].find(isHash) };
}

function isHash(value: unknown): value is string {
  return typeof value === "string" && /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(value);
}

function isSize(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

/** The query of the next page's address. Its host is ignored: the token is sent to the hub only. */
function nextPage(link: string | null): string | undefined {
  const address = /<([^>]*)>\s*;\s*rel="?next"?/.exec(link ?? "")?.[1];
  return address !== undefined && URL.canParse(address, "http://hub") ? new URL(address, "http://hub").search : undefined;
}
