import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import type { JobRun } from "../../src/jobs/jobs.js";
import { startServer } from "../../src/start-server.js";
import { later, serveApp, testServer } from "./test-server.js";

/** Sends bytes as they are, and resolves with all that comes back until the server ends the connection, or until `enough` has come. */
function raw(address: string, text: string, enough?: RegExp): Promise<string> {
  const { hostname, port } = new URL(address);
  return new Promise((resolve) => {
    let said = "";
    const socket = connect(Number(port), hostname, () => socket.write(text, "latin1"));
    socket.setEncoding("latin1");
    socket.on("data", (data) => {
      said += data;
      if (enough?.test(said)) socket.destroy();
    });
    socket.on("error", () => undefined);
    socket.on("close", () => resolve(said));
  });
}

const status = (said: string) => Number(/^HTTP\/1\.1 (\d+)/.exec(said)?.[1] ?? 0);

/** One request whose reply ends the connection. */
async function ask(address: string, line: string, headers: string): Promise<number> {
  return status(await raw(address, `${line} HTTP/1.1\r\n${headers}\r\nConnection: close\r\n\r\n`));
}

describe("a request's host", () => {
  it.each([
    ["GET http://evil.example/health", "Host: localhost", 403],
    ["GET http://localhost/health", "Host: evil.example", 403],
    ["GET http://localhost/health", "Host: localhost", 200],
    ["GET /health", "Host: localhost.", 200],
    ["GET /health", "Host: localhost\r\nHost: evil.example", 403],
    ["GET /health", "Host: evil.example\r\nHost: localhost", 403],
    ["GET /health", "Host: 127.0.0.1.nip.io", 403],
    ["GET /health", "Host: 2130706433", 403],
    ["GET /health", "Host: 0x7f.1", 403],
    ["GET /health", "Host: 0.0.0.0", 403],
    ["GET /health", "Host: localhost@evil.example", 400],
    ["GET /health", "Host: evil.example#localhost", 400],
    ["GET /health", "Host: [::1].evil.example", 400],
    ["GET /health", "Host: localhost:99999", 400],
    ["GET /health", "X-Forwarded-Host: evil.example\r\nHost: localhost", 200],
    ["GET /health", "X-None: 1", 400],
  ])("%s with %j is answered with its status", async (line, headers, expected) => {
    expect(await ask(await serveApp(testServer().app), line, headers)).toBe(expected);
  });
});

describe("a request's path and method", () => {
  it.each([
    ["GET //health", 404],
    ["GET //evil.example/health", 404],
    ["GET /health/", 404],
    ["GET /health%00", 404],
    ["GET /%00", 404],
    ["GET /assets/..%2f..%2fpackage.json", 404],
    ["GET /assets/__proto__", 404],
    ["GET /v1/models/..%2f..", 404],
    ["GET /v1/models/%E0%A4%A", 404],
    ["GET /api/jobs/%2e%2e%2f", 404],
    [`GET /files/${"a".repeat(5000)}`, 404],
    ["PUT /api/jobs", 404],
    ["TRACE /api/jobs", 404],
    ["DELETE /api/jobs", 404],
  ])("%s leads nowhere", async (line, expected) => {
    const { app, errors } = testServer();
    expect(await ask(await serveApp(app), line, "Host: localhost")).toBe(expected);
    expect(errors).toEqual([]);
  });

  it("is what the first line says, not what a header says", async () => {
    const { app, jobs } = testServer();
    const address = await serveApp(app);
    const { id } = (await (await fetch(`${address}/api/jobs`, { method: "POST", body: '{"prompt":"x"}' })).json()) as { id: string };
    for (const header of ["X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"]) {
      expect(await ask(address, `GET /api/jobs/${id}?_method=DELETE`, `Host: localhost\r\n${header}: DELETE`)).toBe(200);
    }
    expect((await jobs.get(id))?.state).not.toBe("cancelled");
  });
});

describe("a request's frame", () => {
  it.each([
    ["20 kB of headers", `GET /health HTTP/1.1\r\nHost: localhost\r\nX: ${"a".repeat(20_000)}\r\n\r\n`, 431],
    ["two lengths", "POST /api/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400],
    ["a negative length", "POST /api/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n", 400],
    [
      "a length beyond the limit",
      "POST /api/jobs HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 99999999999\r\n\r\n{",
      413,
    ],
    ["a header with a NUL", "GET /health HTTP/1.1\r\nHost: localhost\r\nX: a\0b\r\n\r\n", 400],
    ["a broken chunk", "POST /api/jobs HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n", 400],
  ])("with %s is refused", async (_, text, expected) => {
    const { app, errors, jobs } = testServer();
    expect(status(await raw(await serveApp(app), text, /\r\n\r\n/))).toBe(expected);
    expect([errors, jobs.all]).toEqual([[], []]);
  });

  it("may come after others without waiting", async () => {
    const said = await raw(
      await serveApp(testServer().app),
      `${"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(100)}GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
    );
    expect(said.match(/HTTP\/1\.1 200/g)).toHaveLength(101);
  });

  it("that ends in the middle of its body is no error of the server", async () => {
    const { app, errors, jobs } = testServer();
    const address = await serveApp(app);
    for (const type of ["application/json", "multipart/form-data; boundary=b"]) {
      const { hostname, port } = new URL(address);
      const path = type.includes("json") ? "/api/jobs" : "/v1/images/edits";
      await new Promise<void>((resolve) => {
        const socket = connect(Number(port), hostname, () => {
          const head = `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${type}\r\nContent-Length: 1000\r\n\r\n`;
          socket.write(`${head}--b\r\n{"prompt":`, () => setImmediate(() => socket.destroy()));
        });
        socket.on("close", () => resolve());
      });
    }
    expect((await fetch(`${address}/health`)).status).toBe(200);
    expect([errors, jobs.all]).toEqual([[], []]);
  });
});

it("a request that comes too slowly is ended: its headers, or its body", async () => {
  const folder = await mkdtemp(join(tmpdir(), "darkroom-slow-"));
  const server = await startServer({ folder, port: 0, requestTimeout: 100 });
  onTestFinished(async () => {
    await server.close();
    await rm(folder, { recursive: true, force: true });
  });
  expect(status(await raw(server.address, "GET /health HTTP/1.1\r\nHost: loc"))).toBe(408);
  expect(status(await raw(server.address, "POST /api/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{"))).toBe(408);
  expect((await fetch(`${server.address}/health`)).status).toBe(200);
});

describe("streams of events", () => {
  /** A job that makes steps with large previews as long as it is let. */
  function chatty() {
    let sent = 0;
    const base64 = "x".repeat(100_000);
    const make = async (_: unknown, run: JobRun): Promise<never> => {
      while (!run.signal.aborted) {
        run.preview(0, { type: "image/jpeg", base64 });
        sent++;
        await new Promise((resolve) => setImmediate(resolve));
      }
      throw run.signal.reason;
    };
    return { make, sent: () => sent };
  }

  it("are as many as the limit says, and give their places back", async () => {
    const make = () => later<never>().promise;
    const server = testServer({ make, limits: { maxEventStreams: 2 } });
    const { id } = (await (await server.app.request("http://localhost/api/jobs", { method: "POST", body: '{"prompt":"x"}' })).json()) as {
      id: string;
    };
    const open = () => server.app.request(`http://localhost/api/jobs/${id}/events`);
    const streams = [await open(), await open()];
    const refused = await open();
    expect([refused.status, refused.headers.get("retry-after"), refused.headers.get("x-should-retry")]).toEqual([429, "5", "true"]);
    expect(await refused.text()).toContain("limit: maxEventStreams");
    await streams[0]?.body?.cancel();
    await expect.poll(async () => (await open()).status).toBe(200);
  });

  it("hold little for a client that does not read", async () => {
    const { make, sent } = chatty();
    const server = testServer({ make });
    const address = await serveApp(server.app);
    const { id } = (await (await fetch(`${address}/api/jobs`, { method: "POST", body: '{"prompt":"x"}' })).json()) as { id: string };
    let read = 0;
    const { events } = server.jobs;
    // What the stream takes from the queue is what it holds.
    server.jobs.events = async function* (...given) {
      for await (const event of events.apply(server.jobs, given)) {
        read++;
        yield event;
      }
    };
    const { hostname, port } = new URL(address);
    const socket = connect(Number(port), hostname, () => socket.write(`GET /api/jobs/${id}/events HTTP/1.1\r\nHost: localhost\r\n\r\n`));
    onTestFinished(() => void socket.destroy());
    socket.pause();
    await expect.poll(sent, { timeout: 30_000 }).toBeGreaterThan(1000);
    // The system's buffers hold some megabytes.
    expect(read).toBeLessThan(200);
    await server.jobs.cancel(id);
  });
});

it("no field of any API makes the server call an address (LocalAI #9395)", async () => {
  let calls = 0;
  const listener = createServer((_, reply) => {
    calls++;
    reply.end();
  });
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void listener.close());
  const url = `http://127.0.0.1:${(listener.address() as AddressInfo).port}/a.png`;
  const folder = await mkdtemp(join(tmpdir(), "darkroom-ssrf-"));
  const server = await startServer({ folder, port: 0, offer: { runtime: { device: "cpu" } } });
  onTestFinished(async () => {
    await server.close();
    await rm(folder, { recursive: true, force: true });
  });
  const post = async (path: string, body: object) => {
    const reply = await fetch(server.address + path, { method: "POST", body: JSON.stringify(body) });
    return { status: reply.status, text: await reply.text() };
  };
  const own = ["image", "maskImage", "controlImage", "model", "vae", "refiner", "controlnet", "config"].map((field) => ({ [field]: url }));
  const openai = ["image", "images", "mask", "model", "vae", "image_url"].flatMap((field) => [
    { [field]: url },
    { [field]: [{ image_url: url }] },
  ]);
  const a1111 = [
    ...["init_images", "mask", "refiner_checkpoint", "hr_checkpoint_name", "firstpass_image"].map((field) => ({ [field]: url })),
    { init_images: [url] },
    { override_settings: { sd_model_checkpoint: url, sd_vae: url } },
    { alwayson_scripts: { controlnet: { args: [{ image: url, input_image: url, model: url, module: "canny" }] } } },
    { prompt: `<lora:${url}:1>` },
  ];
  const requests: [string, object][] = [
    ...own.map((body): [string, object] => ["/api/jobs", { prompt: "x", ...body }]),
    ["/api/jobs", { prompt: "x", loras: [{ source: url }] }],
    ["/api/jobs", { prompt: "x", embeddings: [{ source: url }] }],
    ...["generations", "edits", "variations"].flatMap((call) =>
      openai.map((body): [string, object] => [`/v1/images/${call}`, { prompt: "x", steps: 1, ...body }]),
    ),
    ...["txt2img", "img2img"].flatMap((kind) =>
      a1111.map((body): [string, object] => [`/sdapi/v1/${kind}`, { prompt: "x", steps: 1, ...body }]),
    ),
    ["/sdapi/v1/png-info", { image: url }],
    ["/sdapi/v1/extra-single-image", { image: url }],
    ["/sdapi/v1/extra-batch-images", { imageList: [{ data: url }] }],
    ["/sdapi/v1/options", { sd_model_checkpoint: url }],
    ["/", { inputs: url, parameters: { prompt: "x", num_inference_steps: 1 } }],
    [`/models/${encodeURIComponent(url)}`, { inputs: "x" }],
  ];
  for (const [path, body] of requests) {
    const { status: given, text } = await post(path, body);
    expect(given, text).toBeLessThan(500);
  }
  expect(calls).toBe(0);
});
