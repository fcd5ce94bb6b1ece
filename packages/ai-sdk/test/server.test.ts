import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { APICallError, type ImageModelV3CallOptions } from "@ai-sdk/provider";
import { type GeneratedFile, generateImage } from "ai";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { type RunningServer, type ServerOptions, startServer } from "../../server/src/index.js";
import { createDarkroom, type DarkroomImageOptions, type DarkroomServerOptions } from "../src/index.js";
import { plain } from "./pictures.js";

const options = (darkroomOptions: DarkroomImageOptions) => ({ darkroom: darkroomOptions });
const KEY = "a-key";

async function start(more: Partial<ServerOptions> = {}): Promise<RunningServer & { folder: string }> {
  const folder = more.folder ?? (await mkdtemp(join(tmpdir(), "darkroom-ai-sdk-")));
  const server = await startServer({ folder, port: 0, offer: { runtime: { device: "cpu" } }, ...more });
  return { ...server, folder };
}

/** A server that answers everything with one function. */
async function listen(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function errorOf(work: PromiseLike<unknown>): Promise<APICallError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (APICallError.isInstance(error)) return error;
  throw new Error(`not an APICallError: ${error}`);
}

describe("generateImage on a server", () => {
  let server: RunningServer & { folder: string };
  beforeAll(async () => {
    server = await start({ apiKeys: [KEY] });
  });
  afterAll(async () => {
    await server.close();
    await rm(server.folder, { recursive: true, force: true });
  });
  const provider = (more: Partial<DarkroomServerOptions> = {}) => createDarkroom({ baseURL: server.address, apiKey: KEY, ...more });
  const jobs = async (): Promise<{ id: string; state: string; request: object }[]> => {
    const reply = await fetch(`${server.address}/api/jobs`, { headers: { authorization: `Bearer ${KEY}` } });
    return ((await reply.json()) as { jobs: { id: string; state: string; request: object }[] }).jobs;
  };

  it("makes the same pictures of the same seed as on this machine, byte for byte", async () => {
    await using local = createDarkroom({ device: "cpu" });
    const providerOptions = options({ steps: 3, guidance: 4, negativePrompt: "blue", scheduler: "euler" });
    const call = { prompt: "a panda", n: 2, seed: 7, aspectRatio: "2:1" as const, providerOptions };
    const here = await generateImage({ ...call, model: local.image("emoji-128") });
    const there = await generateImage({ ...call, model: provider().image("emoji-128") });
    expect(there.images.map(({ base64 }) => base64)).toEqual(here.images.map(({ base64 }) => base64));
    expect(there.warnings).toEqual(here.warnings);
    const facts = ({ providerMetadata }: GeneratedFile) => providerMetadata?.darkroom;
    expect(there.images.map(facts)).toEqual(here.images.map(facts));
    expect(there.responses).toMatchObject([{ modelId: "emoji-128", headers: { location: expect.stringMatching(/^\/api\/jobs\//) } }]);
  });

  it("has the version of the specification that the AI SDK 6 takes, too, which Node 20 gets", async () => {
    expect(provider().image()).toMatchObject({ specificationVersion: "v3", maxImagesPerCall: 10_000 });
    expect(provider().specificationVersion).toBe("v3");
  });

  it("starts from pictures as on this machine", async () => {
    await using local = createDarkroom({ device: "cpu" });
    const start = await plain(64, 64, "orange");
    const mask = await sharp(await plain(64, 64, { r: 0, g: 0, b: 0, alpha: 1 }))
      .composite([{ input: await plain(32, 64, "white"), left: 0, top: 0, blend: "dest-out" }])
      .png()
      .toBuffer();
    const call = { seed: 1, providerOptions: options({ steps: 3 }) };
    for (const prompt of [
      { text: "an orange", images: [start] },
      { text: "an orange", images: [start.toString("base64")], mask },
    ]) {
      const { image } = await generateImage({ ...call, prompt, model: local.image() });
      expect((await generateImage({ ...call, prompt, model: provider().image() })).image.base64).toBe(image.base64);
    }
  });

  it("takes the server's default model, its address with /v1, and a function that fetches", async () => {
    const paths: string[] = [];
    const fetch: typeof globalThis.fetch = (url, init) => {
      paths.push(`${init?.method} ${new URL(String(url)).pathname}`);
      return globalThis.fetch(url, init);
    };
    const { responses } = await generateImage({
      model: provider({ baseURL: `${server.address}/v1/`, fetch }).image(),
      prompt: "x",
      providerOptions: options({ steps: 1 }),
    });
    expect(responses[0]?.modelId).toBe("emoji-128");
    expect(paths.map((path) => path.replace(/[\w-]{16,}/, "ID"))).toEqual(["POST /api/jobs", "GET /api/jobs/ID/events", "GET /files/ID"]);
  });

  it("sends the headers of the provider and of the call", async () => {
    const sent: Headers[] = [];
    const fetch: typeof globalThis.fetch = (url, init) => {
      sent.push(new Headers(init?.headers));
      return globalThis.fetch(url, init);
    };
    const model = provider({ fetch, headers: { "x-one": "1", "x-two": "1" } }).image();
    await generateImage({ model, prompt: "x", headers: { "x-two": "2" }, providerOptions: options({ steps: 1 }) });
    for (const headers of sent) {
      expect([headers.get("x-one"), headers.get("x-two"), headers.get("authorization")]).toEqual(["1", "2", `Bearer ${KEY}`]);
      expect(headers.get("user-agent")).toContain("ai/");
    }
  });

  it("passes the server's warnings on", async () => {
    const prompt = "a very long prompt about a panda, ".repeat(40);
    const { warnings } = await generateImage({ model: provider().image(), prompt, providerOptions: options({ steps: 1 }) });
    expect(warnings).toMatchObject([{ type: "other", message: expect.stringContaining("prompt") }]);
  });

  it("has the server's words for what it refuses, and does not try again", async () => {
    const call = (model: string, darkroomOptions: DarkroomImageOptions = {}, more: Partial<DarkroomServerOptions> = {}) =>
      errorOf(generateImage({ model: provider(more).image(model), prompt: "x", providerOptions: options(darkroomOptions) }));
    const before = (await jobs()).length;
    const unknown = await call("no-such-model");
    expect(unknown).toMatchObject({ statusCode: 404, isRetryable: false, data: { code: "model_not_found" } });
    expect(unknown.message).toContain("its models are emoji-128");
    expect(unknown.url).toBe(`${server.address}/api/jobs`);
    expect(await call("emoji-128", { steps: 0 })).toMatchObject({ statusCode: 400, data: { param: "numInferenceSteps" } });
    expect(await call("emoji-128", { device: "cpu" })).toMatchObject({ statusCode: 400, data: { param: "device" } });
    expect(await call("emoji-128", { loras: [{ name: "none" }] })).toMatchObject({ statusCode: 400, isRetryable: false });
    expect(await call("emoji-128", {}, { apiKey: "wrong" })).toMatchObject({ statusCode: 401, isRetryable: false });
    expect((await jobs()).length).toBe(before);
  });

  it("has the reason of a job that fails", async () => {
    const mask = await plain(64, 64, "white");
    const call = generateImage({ model: provider().image(), prompt: { text: "x", images: [], mask } });
    expect(await errorOf(call)).toMatchObject({ statusCode: 400, isRetryable: false, requestBodyValues: { maskImage: "(a picture)" } });
  });

  it("cancels the job when the signal aborts", async () => {
    const abort = new AbortController();
    const fetch: typeof globalThis.fetch = (url, init) => {
      if (String(url).endsWith("/events")) setTimeout(() => abort.abort(), 300);
      return globalThis.fetch(url, init);
    };
    const call = generateImage({
      model: provider({ fetch }).image(),
      prompt: "aborted",
      abortSignal: abort.signal,
      providerOptions: options({ steps: 900 }),
    });
    await expect(call).rejects.toMatchObject({ name: "AbortError" });
    expect((await jobs())[0]).toMatchObject({ state: "cancelled", request: { prompt: "aborted" } });
  });

  it("cancels a job whose id comes after the signal aborted", async () => {
    const abort = new AbortController();
    const fetch: typeof globalThis.fetch = (url, init) => {
      if (init?.method === "POST") setTimeout(() => abort.abort(), 0);
      return globalThis.fetch(url, init);
    };
    const call = generateImage({
      model: provider({ fetch }).image(),
      prompt: "aborted early",
      abortSignal: abort.signal,
      providerOptions: options({ steps: 900 }),
    });
    await expect(call).rejects.toMatchObject({ name: "AbortError" });
    expect((await jobs()).filter(({ state }) => state === "waiting" || state === "running")).toEqual([]);
  });

  it("has an error when somebody else cancels the job", async () => {
    const fetch: typeof globalThis.fetch = async (url, init) => {
      const path = new URL(String(url)).pathname;
      if (path.endsWith("/events")) await globalThis.fetch(String(url).replace("/events", ""), { ...init, method: "DELETE" });
      return globalThis.fetch(url, init);
    };
    const call = generateImage({ model: provider({ fetch }).image(), prompt: "x", providerOptions: options({ steps: 900 }) });
    expect(await errorOf(call)).toMatchObject({ statusCode: 409, isRetryable: false });
  });
});

describe("a server that is not well", () => {
  const doGenerate = (baseURL: string, more: Partial<ImageModelV3CallOptions> = {}) => {
    const call = { prompt: "x", n: 1, size: undefined, aspectRatio: undefined, seed: 1, files: undefined, mask: undefined };
    const model = createDarkroom({ baseURL }).image();
    return model.doGenerate({ ...call, providerOptions: options({ steps: 1 }), ...more });
  };

  it("has an error that may be tried again when its queue is full", async () => {
    const server = await start({ maxWaiting: 0 });
    onTestFinished(() => rm(server.folder, { recursive: true, force: true }));
    onTestFinished(() => server.close());
    const error = await errorOf(doGenerate(server.address));
    expect(error).toMatchObject({ statusCode: 429, isRetryable: true, responseHeaders: { "retry-after": expect.any(String) } });
  });

  it("is asked again by the AI SDK for what may be tried again, and only for that", async () => {
    const server = await start();
    onTestFinished(() => rm(server.folder, { recursive: true, force: true }));
    onTestFinished(() => server.close());
    const refusals: Response[] = [];
    let submits = 0;
    const fetch: typeof globalThis.fetch = async (url, init) => {
      const refusal = init?.method === "POST" ? refusals.shift() : undefined;
      if (init?.method === "POST") submits++;
      return refusal ?? globalThis.fetch(url, init);
    };
    const refuse = (status: number, headers: Record<string, string>) =>
      refusals.push(new Response('{"error":{"message":"no","code":"x"}}', { status, headers }));
    const model = createDarkroom({ baseURL: server.address, fetch }).image();
    const call = () => generateImage({ model, prompt: "x", providerOptions: options({ steps: 1 }) });
    refuse(429, { "x-should-retry": "true", "retry-after": "0" });
    refuse(503, { "x-should-retry": "true", "retry-after": "0" });
    expect((await call()).images).toHaveLength(1);
    expect(submits).toBe(3);
    refuse(500, { "x-should-retry": "false" });
    expect(await errorOf(call())).toMatchObject({ statusCode: 500, message: "no" });
    expect(submits).toBe(4);
  });

  it("may start anew in the middle of a job, and the picture comes all the same", async () => {
    const first = await start();
    onTestFinished(() => rm(first.folder, { recursive: true, force: true }));
    let running: RunningServer = first;
    onTestFinished(() => running.close());
    const { port, folder } = first;
    let restarted: Promise<unknown> | undefined;
    const restart = async () => {
      await first.close();
      running = await start({ folder, port });
    };
    const fetch: typeof globalThis.fetch = (url, init) => {
      if (String(url).endsWith("/events")) restarted ??= new Promise((resolve) => setTimeout(resolve, 200)).then(restart);
      return globalThis.fetch(url, init);
    };
    const model = createDarkroom({ baseURL: first.address, fetch }).image();
    const { image } = await generateImage({ model, prompt: "x", seed: 5, providerOptions: options({ steps: 60 }) });
    expect(restarted).toBeDefined();
    await restarted;
    expect(image.mediaType).toBe("image/png");
  });

  it("that cannot be reached is an error that says so, and may be tried again", async () => {
    const error = await errorOf(doGenerate("http://127.0.0.1:9"));
    expect(error).toMatchObject({ isRetryable: true, statusCode: undefined });
    expect(error.message).toMatch(/^the Darkroom server at http:\/\/127\.0\.0\.1:9 cannot be reached: /);
  });

  it("that speaks http but is called by https is an error that says how to mend it", async () => {
    const address = await listen((_, response) => response.end());
    const { message } = await errorOf(doGenerate(address.replace("http:", "https:")));
    expect(message).toMatch(/cannot be reached: .*; it may speak http: give a baseURL with http:\/\/$/s);
  });

  it("of another kind is an error", async () => {
    const text = await listen((_, response) => response.writeHead(502).end("<html>bad gateway"));
    expect(await errorOf(doGenerate(text))).toMatchObject({
      statusCode: 502,
      isRetryable: true,
      message: "the server answered 502 Bad Gateway",
      responseBody: "<html>bad gateway",
    });
    const page = await listen((_, response) => response.writeHead(200).end("<html>hello"));
    expect(await errorOf(doGenerate(page))).toMatchObject({
      isRetryable: false,
      message: expect.stringContaining("is no Darkroom server"),
    });
  });
});
