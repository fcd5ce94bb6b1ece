import { createReadStream, existsSync, mkdtempSync, statSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import { afterAll, beforeAll } from "vitest";
import { bundleForBrowsers } from "../../packages/browser/bundle.mjs";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
  ".json": "application/json",
};

/** As a page of a site without a bundler. */
const PAGE = `<!doctype html><title>Darkroom</title>
<script type="module">
  import * as darkroom from "/darkroom.js";
  globalThis.darkroom = darkroom;
</script>`;

/** Answers a request in a way of its own; false leaves it to the static files. */
export type Handler = (request: IncomingMessage, response: ServerResponse) => boolean;

/** A static server with Darkroom's modules, the package's models, and the tests' checkpoints and fixtures. */
export interface Site {
  readonly address: string;
  /** Answers requests before the static files do. */
  handler: Handler | undefined;
}

/** A site for the tests of a group. With `isolated`, its pages may use threads. */
export function startSite({ isolated = false } = {}): Site {
  const site: { address: string; handler: Handler | undefined } = { address: "", handler: undefined };
  const modules = mkdtempSync(join(tmpdir(), "darkroom-browser-"));
  const places: Readonly<Record<string, string>> = {
    models: join(ROOT, "models"),
    checkpoints: join(ROOT, "test/checkpoints"),
    fixtures: join(ROOT, "test/fixtures"),
  };
  const server = createServer((request, response) => {
    if (isolated) {
      response.setHeader("cross-origin-opener-policy", "same-origin");
      response.setHeader("cross-origin-embedder-policy", "require-corp");
    }
    if (site.handler?.(request, response)) return;
    const path = decodeURIComponent(new URL(request.url ?? "/", "http://site").pathname);
    if (path === "/") {
      response.setHeader("content-type", "text/html").end(PAGE);
      return;
    }
    const [, first = ""] = path.split("/");
    const place = places[first];
    sendFile(
      place === undefined ? join(modules, normalize(path)) : join(place, normalize(path.slice(first.length + 1))),
      request,
      response,
    );
  });
  beforeAll(async () => {
    await bundleForBrowsers(modules);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    site.address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });
  return site;
}

/** Sends a file, or the range of it that is asked for. */
export function sendFile(path: string, request: IncomingMessage, response: ServerResponse): void {
  if (!existsSync(path) || !statSync(path).isFile()) {
    response.writeHead(404).end();
    return;
  }
  const { size, mtime } = statSync(path);
  const [, from = "0", to = String(size - 1)] = /^bytes=(\d+)-(\d+)?$/.exec(request.headers.range ?? "") ?? [];
  const [start, end] = [Number(from), Math.min(Number(to), size - 1)];
  const isRange = request.headers.range !== undefined;
  response.writeHead(isRange ? 206 : 200, {
    "content-type": TYPES[extname(path)] ?? "application/octet-stream",
    "accept-ranges": "bytes",
    "last-modified": mtime.toUTCString(),
    "content-length": size === 0 ? 0 : end - start + 1,
    ...(isRange && { "content-range": `bytes ${start}-${end}/${size}` }),
  });
  if (request.method === "HEAD" || size === 0) response.end();
  else createReadStream(path, { start, end }).pipe(response);
}

/** The exports of Darkroom's modules in a page. */
export type Darkroom = typeof import("../../src/index.js");

/** Opens the site in a page, where `darkroom` has Darkroom's exports. */
export async function enter(page: Page, { address }: Site): Promise<void> {
  await page.goto(address);
  await page.waitForFunction(() => "darkroom" in globalThis);
}
