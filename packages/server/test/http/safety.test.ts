import { request } from "node:http";
import { deflateSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { DEFAULT_LIMITS } from "../../src/http/limits.js";
import { checkPicture } from "../../src/http/picture-file.js";
import { chunked } from "./recordings.js";
import { pngFile, serveApp, testServer } from "./test-server.js";

/** Asks for a path as it is: fetch would tidy it up. */
function rawGet(address: string, path: string): Promise<number> {
  const { hostname, port } = new URL(address);
  return new Promise((resolve, reject) => {
    request({ hostname, port, path }, (reply) => {
      reply.resume();
      resolve(reply.statusCode ?? 0);
    })
      .on("error", reject)
      .end();
  });
}

describe("files", () => {
  it.each([
    "/files/../../../../etc/passwd",
    "/files/..%2f..%2f..%2fetc%2fpasswd",
    "/files/%2e%2e/%2e%2e/etc/passwd",
    "/files/..\\..\\windows",
    "/files/%00",
    `/files/${"a".repeat(64)}`,
    "/files/%E0%A4%A",
  ])("leads nowhere: %s", async (path) => {
    const { app } = testServer();
    expect([400, 404]).toContain(await rawGet(await serveApp(app), path));
  });
});

describe("bodies", () => {
  const limits = { maxBodyBytes: 1000 };

  it("are counted while they come, without Content-Length", async () => {
    const { app, jobs } = testServer({ limits });
    const address = await serveApp(app);
    const body = Buffer.from(JSON.stringify({ prompt: "x".repeat(2000) }));
    const reply = await fetch(`${address}/v1/images/generations`, { method: "POST", ...chunked(body) });
    expect(reply.status).toBe(413);
    expect(await reply.json()).toMatchObject({ error: { message: expect.stringContaining("limit: maxBodyBytes") } });
    expect(jobs.all).toEqual([]);
  });

  it("of forms are counted, too", async () => {
    const { app } = testServer({ limits });
    const form = new FormData();
    form.append("image", new Blob([new Uint8Array(2000)]), "a.png");
    const reply = await app.request("http://localhost/v1/images/edits", { method: "POST", body: form });
    expect(reply.status).toBe(413);
  });

  it.each(["{", "[]", '"x"', "null", "1"])("that are no JSON object are refused without being repeated: %s", async (body) => {
    const { app } = testServer();
    const reply = await app.request("http://localhost/v1/images/generations", { method: "POST", body });
    expect(reply.status).toBe(400);
    expect(await reply.json()).toMatchObject({ error: { code: "invalid_json" } });
  });

  it("of forms that are cut off anywhere end in an error, never in waiting", async () => {
    const { app } = testServer();
    const lines = [
      "--b",
      'Content-Disposition: form-data; name="prompt"',
      "",
      "x",
      "--b",
      'Content-Disposition: form-data; name="image"; filename="a"',
    ];
    const whole = `${[...lines, "", "bytes"].join("\r\n")}\r\n`;
    const headers = { "content-type": "multipart/form-data; boundary=b" };
    for (let length = 0; length <= whole.length; length += 7) {
      const body = whole.slice(0, length);
      const reply = await app.request("http://localhost/v1/images/edits", { method: "POST", headers, body });
      expect(reply.status).toBe(400);
    }
  });

  it("of forms with __proto__ and endless parts do no harm", async () => {
    const { app } = testServer();
    const form = new FormData();
    form.append("__proto__", "x");
    form.append("constructor", "x");
    form.append("prompt", "x");
    const post = (body: FormData) => app.request("http://localhost/v1/images/generations", { method: "POST", body });
    expect((await post(form)).status).toBe(200);
    for (let i = 0; i < 400; i++) form.append(`f${i}`, "x");
    expect((await post(form)).status).toBe(400);
  });
});

describe("pictures", () => {
  /** A PNG of a few hundred bytes that claims so many pixels. */
  function bomb(width: number, height: number): Buffer {
    const chunk = (type: string, data: Buffer) => {
      const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
      const length = Buffer.alloc(4);
      length.writeUInt32BE(data.length);
      return Buffer.concat([length, body, crc(body)]);
    };
    const header = Buffer.alloc(13);
    header.writeUInt32BE(width, 0);
    header.writeUInt32BE(height, 4);
    header.set([8, 2, 0, 0, 0], 8);
    const pixels = deflateSync(Buffer.alloc(1000));
    return Buffer.concat([
      Buffer.from("\x89PNG\r\n\x1a\n", "latin1"),
      chunk("IHDR", header),
      chunk("IDAT", pixels),
      chunk("IEND", Buffer.alloc(0)),
    ]);
  }

  function crc(bytes: Buffer): Buffer {
    let sum = 0xffffffff;
    for (const byte of bytes) {
      sum ^= byte;
      for (let bit = 0; bit < 8; bit++) sum = (sum >>> 1) ^ (sum & 1 ? 0xedb88320 : 0);
    }
    const written = Buffer.alloc(4);
    written.writeUInt32BE((sum ^ 0xffffffff) >>> 0);
    return written;
  }

  it("are refused by their header before anything decodes them", async () => {
    await expect(checkPicture(bomb(30_000, 30_000), "image", DEFAULT_LIMITS)).rejects.toThrow("limit: maxPicturePixels");
  });

  it.each([
    ["SVG, which can name files", Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"><image href="/etc/passwd"/></svg>')],
    ["text", Buffer.from("hello")],
    ["a PDF", Buffer.from("%PDF-1.4")],
    ["nothing", Buffer.alloc(0)],
    ["the start of a PNG", Buffer.from("\x89PNG\r\n\x1a\n", "latin1")],
  ])("must be of a known format by their bytes: %s", async (_, bytes) => {
    await expect(checkPicture(bytes, "image", DEFAULT_LIMITS)).rejects.toThrow("image is not a picture that can be read");
  });

  it.each(["http://a/b.png", "HTTPS://a", " file:///etc/passwd", "ftp://a", "gopher:x", "\nhttp://a"])(
    "are never addresses: %j",
    async (address) => {
      await expect(checkPicture(address, "image", DEFAULT_LIMITS)).rejects.toThrow("is an address");
    },
  );

  it("may be data URLs", async () => {
    const png = await pngFile(4, 3);
    const { width, height } = await checkPicture(`data:image/jpeg;base64,${png.toString("base64")}`, "image", DEFAULT_LIMITS);
    expect([width, height]).toEqual([4, 3]);
  });
});

it("errors of the server itself tell clients nothing", async () => {
  const { app, jobs, errors } = testServer();
  jobs.submit = async () => {
    throw new Error("SQLITE_FULL: /home/someone/queue.db");
  };
  const reply = await app.request("http://localhost/v1/images/generations", { method: "POST", body: '{"prompt":"secret"}' });
  expect(reply.status).toBe(500);
  expect(await reply.text()).not.toContain("someone");
  expect(String(errors)).toContain("SQLITE_FULL");
  expect(String(errors)).not.toContain("secret");
});

it.each(["/system_stats", "/queue", "/prompt", "/object_info", "/history"])("ComfyUI's %s is not there", async (path) => {
  expect((await testServer().app.request(`http://localhost${path}`)).status).toBe(404);
});
