import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { brotliCompress, gzip } from "node:zlib";
import type { Hono } from "hono";
import { accepts } from "hono/accepts";
import { etag, RETAINED_304_HEADERS } from "hono/etag";
import { getMimeType } from "hono/utils/mime";
import { HttpError } from "./http-error.js";
import type { AppContext, AppEnv } from "./server-context.js";

/** Where the build puts the page. The address is the same from src and from dist. */
const FOLDER = fileURLToPath(new URL("../../dist/page", import.meta.url));

/** The page runs its own script only, and talks to this server only. Pictures are of this server, or made by the page. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob: data:",
  "connect-src 'self'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");

/** Names in this folder change with their files' contents. */
const HASHED = "/assets/";

/** A file of the page, encoded once for all requests. */
interface PageFile {
  readonly type: string;
  readonly plain: Uint8Array<ArrayBuffer>;
  readonly br: Uint8Array<ArrayBuffer>;
  readonly gzip: Uint8Array<ArrayBuffer>;
}

/** The page for people, at /. It needs no key: it asks for one where the server does. */
export function addPage(app: Hono<AppEnv>, folder = FOLDER): void {
  // Read at the first request: servers that only programs call never need it.
  let files: Promise<ReadonlyMap<string, PageFile>> | undefined;
  const send = async (c: AppContext) => {
    files ??= readPage(folder);
    // The path is looked up among the files that were found; none is ever read by a request's path.
    const file = (await files).get(c.req.path);
    if (!file) throw new HttpError(404, `the page has no file ${c.req.path}`, { code: "not_found" });
    const encoding = accepts(c, {
      header: "Accept-Encoding",
      supports: ["br", "gzip"],
      default: "plain",
      match: (given, { supports }) => supports.find((name) => given.some(({ type, q }) => type === name && q > 0)) ?? "plain",
    }) as "br" | "gzip" | "plain";
    return c.body(file[encoding], 200, {
      "content-type": file.type,
      ...(encoding !== "plain" && { "content-encoding": encoding }),
      vary: "Accept-Encoding",
      "cache-control": c.req.path.startsWith(HASHED) ? "public, max-age=31536000, immutable" : "no-cache",
      "content-security-policy": POLICY,
    });
  };
  // A browser takes the policy of a 304 reply for the page that it has kept.
  const unchanged = etag({ retainedHeaders: [...RETAINED_304_HEADERS, "content-security-policy"] });
  for (const path of ["/", `${HASHED}:name`]) app.get(path, unchanged, send);
}

/** All files of the page by their paths. */
async function readPage(folder: string): Promise<ReadonlyMap<string, PageFile>> {
  const names = await readdir(folder, { recursive: true }).catch((cause) => {
    throw new HttpError(501, "this build of darkroom-server has no page", {
      code: "no_page",
      hint: "npm run build makes it; the HTTP APIs work without it",
      cause,
    });
  });
  const read = names.map(async (name) => {
    const type = getMimeType(name);
    // Folders have no type.
    if (type === undefined) return [];
    const path = `/${name.replaceAll("\\", "/")}`;
    return [[path === "/index.html" ? "/" : path, { type, ...(await encode(await readFile(join(folder, name)))) }] as const];
  });
  return new Map((await Promise.all(read)).flat());
}

async function encode(plain: Uint8Array<ArrayBuffer>) {
  const [br, gzipped] = await Promise.all([promisify(brotliCompress)(plain), promisify(gzip)(plain, { level: 9 })]);
  return { plain, br, gzip: gzipped };
}
