import { request } from "node:http";
import { deflateSync } from "node:zlib";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { DEFAULT_LIMITS } from "../../src/http/limits.js";
import { checkPicture } from "../../src/http/picture-file.js";
import { chunked } from "./recordings.js";
import { pngFile, serveApp, testServer } from "./test-server.js";

// Failures of other servers that must not be ours. Each is in the name of the test that shows it:
//
// | failure                                                    | test                                            |
// | InvokeAI #4753: a poisoned job at every start              | jobs/conformance-work.ts, worker/queue.test.ts  |
// | stable-diffusion.cpp #1682: cancelling crashes             | worker/queue.test.ts                            |
// | AUTOMATIC1111 #10656, #13871: stuck after out of memory    | worker/queue.test.ts, worker/supervisor.test.ts |
// | AUTOMATIC1111 #7262: memory climbs                         | worker/supervisor.test.ts                       |
// | AUTOMATIC1111 #761, ComfyUI #2566: interrupts another's job | http/a1111/server.test.ts, http/isolation.test.ts |
// | docker/model-runner #1041: client gone, job goes on        | http/openai.test.ts, start-server.test.ts       |
// | CVE-2025-6237: paths out of the folder                     | http/safety.test.ts                             |
// | LocalAI #9395: calls addresses of requests (SSRF)          | http/hostile-connections.test.ts                |
// | stored XSS through prompts                                 | http/isolation.test.ts                          |

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
  ])("leads nowhere: %s (CVE-2025-6237)", async (path) => {
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
  function chunk(type: string, data: Buffer): Buffer {
    const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(data.length);
    return Buffer.concat([length, body, crc(body)]);
  }

  /** A PNG of a few hundred bytes that claims so many pixels. */
  function bomb(width: number, height: number): Buffer {
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

  /** A small file whose header claims `side` pixels for each side. */
  async function claims(format: "gif" | "jpeg" | "webp" | "avif", side: number): Promise<Buffer> {
    const file = await sharp({ create: { width: 16, height: 16, channels: 3, background: "red" } })
      .toFormat(format)
      .toBuffer();
    const after = (word: string, offset: number) => file.indexOf(word, 0, "latin1") + word.length + offset;
    if (format === "gif") for (const at of [6, 8, after("\x2c\0\0\0\0", 0), after("\x2c\0\0\0\0", 2)]) file.writeUInt16LE(side, at);
    if (format === "webp") for (const at of [0, 2]) file.writeUInt16LE(side, after("\x9d\x01\x2a", at));
    if (format === "jpeg") for (const at of [0, 2]) file.writeUInt16BE(side, after("\xff\xc0\x00\x11\x08", at));
    if (format === "avif") for (const at of [4, 8]) file.writeUInt32BE(side, after("ispe", at));
    return file;
  }

  it.each([
    ["gif", 65_535],
    ["jpeg", 65_500],
    ["webp", 16_383],
    ["avif", 60_000],
  ] as const)("of %s with %d pixels a side in the header are refused by it, too", async (format, side) => {
    const file = await claims(format, side);
    await expect(checkPicture(file, "image", DEFAULT_LIMITS)).rejects.toThrow(/limit: maxPicturePixels|is not a picture that can be read/);
    const { app, errors } = testServer();
    const image = file.toString("base64");
    for (const [path, body] of Object.entries({
      "/v1/images/edits": { prompt: "x", image, mask: image },
      "/sdapi/v1/img2img": { init_images: [image] },
      "/sdapi/v1/extra-single-image": { image },
      "/sdapi/v1/png-info": { image },
      "/hf": { inputs: image, parameters: { prompt: "x" } },
    })) {
      const reply = await app.request(`http://localhost${path}`, { method: "POST", body: JSON.stringify(body) });
      expect(reply.status, await reply.text()).toBe(400);
    }
    expect(errors).toEqual([]);
  });

  it("with texts that grow a thousandfold are read without them", async () => {
    const png = await pngFile();
    const bombs = [
      ["zTXt", Buffer.concat([Buffer.from("parameters\0\0", "latin1"), deflateSync(Buffer.alloc(200_000_000))])],
      ["iTXt", Buffer.concat([Buffer.from("parameters\0\x01\0\0\0", "latin1"), deflateSync(Buffer.alloc(200_000_000))])],
      ["iCCP", Buffer.concat([Buffer.from("x\0\0", "latin1"), deflateSync(Buffer.alloc(200_000_000))])],
    ] as const;
    for (const [type, data] of bombs) {
      const file = Buffer.concat([png.subarray(0, 33), chunk(type, data), png.subarray(33)]);
      const { app, errors } = testServer();
      const before = process.memoryUsage().rss;
      for (const path of ["/sdapi/v1/png-info", "/sdapi/v1/extra-single-image"]) {
        const body = JSON.stringify({ image: file.toString("base64") });
        const reply = await app.request(`http://localhost${path}`, { method: "POST", body });
        const text = await reply.text();
        expect(reply.status, text.slice(0, 300)).toBeLessThan(500);
        expect(text.length).toBeLessThan(1_000_000);
      }
      expect(process.memoryUsage().rss - before).toBeLessThan(150_000_000);
      expect(errors).toEqual([]);
    }
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
