import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { Hono } from "hono";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Access, type AccessOptions } from "../../src/http/access.js";
import { guard, safetyHeaders } from "../../src/http/guard.js";
import { toHttpError } from "../../src/http/http-error.js";
import { addPage } from "../../src/http/page.js";
import type { AppEnv } from "../../src/http/server-context.js";
import { serveApp } from "./test-server.js";

const INDEX = "<!doctype html><script type=module src=/assets/page-abc.js></script>";
const SCRIPT = "console.log('page');".repeat(50);

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "darkroom-page-"));
  await mkdir(join(folder, "page/assets"), { recursive: true });
  await writeFile(join(folder, "page/index.html"), INDEX);
  await writeFile(join(folder, "page/assets/page-abc.js"), SCRIPT);
  await writeFile(join(folder, "secret.js"), "secret");
});

afterAll(() => rm(folder, { recursive: true, force: true }));

/** A server of a page, with the rules of access. */
function pageServer(access: AccessOptions = {}, name = "page") {
  const app = new Hono<AppEnv>();
  app.use(safetyHeaders(), guard({ access: new Access(access) }));
  addPage(app, join(folder, name));
  app.onError((error, c) => c.json({ message: toHttpError(error).text }, toHttpError(error).status));
  const get = (path: string, headers: Record<string, string> = {}, method = "GET") =>
    Promise.resolve(app.request(`http://localhost${path}`, { method, headers }));
  return { app, get };
}

describe("the page", () => {
  it("is at /, and is asked for again every time", async () => {
    const reply = await pageServer().get("/");
    expect(await reply.text()).toBe(INDEX);
    expect(Object.fromEntries(reply.headers)).toMatchObject({
      "content-type": "text/html; charset=utf-8",
      "cache-control": "no-cache",
      "x-content-type-options": "nosniff",
    });
  });

  it("runs its own scripts only, in no frame, and calls its server only", async () => {
    const policy = (await pageServer().get("/")).headers.get("content-security-policy");
    expect(policy?.split("; ")).toEqual([
      "default-src 'none'",
      "script-src 'self'",
      "style-src 'self'",
      "img-src 'self' blob: data:",
      "connect-src 'self'",
      "frame-ancestors 'none'",
      "base-uri 'none'",
      "form-action 'none'",
    ]);
  });

  it("has files that browsers keep for ever, since their names change with their contents", async () => {
    const reply = await pageServer().get("/assets/page-abc.js");
    expect(await reply.text()).toBe(SCRIPT);
    expect(Object.fromEntries(reply.headers)).toMatchObject({
      "content-type": "text/javascript; charset=utf-8",
      "cache-control": "public, max-age=31536000, immutable",
    });
  });

  it.each([
    ["gzip, deflate, br", "br", brotliDecompressSync],
    ["gzip;q=1.0, br;q=0", "gzip", gunzipSync],
    ["identity", null, (bytes: Buffer) => bytes],
    ["", null, (bytes: Buffer) => bytes],
  ])("is compressed for Accept-Encoding: %s", async (accepted, encoding, decode) => {
    const reply = await pageServer().get("/assets/page-abc.js", { "accept-encoding": accepted });
    expect([reply.headers.get("content-encoding"), reply.headers.get("vary")]).toEqual([encoding, "Accept-Encoding"]);
    const bytes = Buffer.from(await reply.arrayBuffer());
    expect(decode(bytes).toString()).toBe(SCRIPT);
    if (encoding !== null) expect(bytes.length).toBeLessThan(SCRIPT.length / 4);
  });

  it("is not sent again to a browser that has it", async () => {
    const server = pageServer();
    const { headers } = await server.get("/");
    const again = await server.get("/", { "if-none-match": headers.get("etag") ?? "" });
    expect([again.status, await again.text()]).toEqual([304, ""]);
    for (const name of ["etag", "cache-control", "vary", "content-security-policy"])
      expect(again.headers.get(name)).toBe(headers.get(name));
    expect((await server.get("/", { "if-none-match": '"other"' })).status).toBe(200);
  });

  it("answers HEAD", async () => {
    const reply = await fetch(await serveApp(pageServer().app), { method: "HEAD" });
    expect([reply.status, reply.headers.get("content-type"), await reply.text()]).toEqual([200, "text/html; charset=utf-8", ""]);
  });

  it.each(["/assets/other.js", "/assets/..%2f..%2fsecret.js", "/assets/%2e%2e%2findex.html", "/index.html", "/secret.js", "/assets/"])(
    "has no file %s",
    async (path) => {
      expect((await pageServer().get(path)).status).toBe(404);
    },
  );

  it("needs no key, since it asks for one, but the right Host", async () => {
    const { get } = pageServer({ apiKeys: ["k"] });
    for (const path of ["/", "/assets/page-abc.js"]) {
      expect((await get(path)).status).toBe(200);
      expect((await get(path, { host: "evil.example" })).status).toBe(403);
    }
  });

  it("is missed with a clear message where the package was built without it", async () => {
    const reply = await pageServer({}, "missing").get("/");
    expect([reply.status, await reply.text()]).toEqual([501, expect.stringContaining("this build of darkroom-server has no page")]);
  });
});
