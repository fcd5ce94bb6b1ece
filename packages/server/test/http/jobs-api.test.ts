import { describe, expect, it } from "vitest";
import { Shutdown } from "../../src/http/shutdown.js";
import { JobFailed, KeyReusedError } from "../../src/jobs/jobs.js";
import { FAKE_MODELS, later, pngFile, testServer } from "./test-server.js";

type Server = ReturnType<typeof testServer>;

async function post({ app }: Server, body: object, headers: Record<string, string> = {}) {
  const reply = await app.request("http://localhost/api/jobs", { method: "POST", body: JSON.stringify(body), headers });
  return {
    status: reply.status,
    headers: reply.headers,
    body: (await reply.json()) as Record<string, unknown> & { id: string; error: object },
  };
}

async function get({ app }: Server, path: string, headers: Record<string, string> = {}) {
  const reply = await app.request(`http://localhost${path}`, { headers });
  return { status: reply.status, text: await reply.text(), headers: reply.headers };
}

/** Events as their names, numbers and data. */
function parseEvents(text: string) {
  return text
    .split("\n\n")
    .filter((block) => block.startsWith("id:"))
    .map((block) => {
      const [, id, event, data] = /^id: (\d+)\nevent: (\w+)\ndata: (.*)$/.exec(block) ?? [];
      return { id: Number(id), event, data: JSON.parse(data ?? "null") as Record<string, unknown> };
    });
}

describe("POST /api/jobs", () => {
  it("takes a request of darkroom/generate, and says where the job is", async () => {
    const server = testServer();
    const { status, headers, body } = await post(server, { prompt: "a fox", seed: "18446744073709551615", format: "webp", quality: 5 });
    expect([status, headers.get("location")]).toEqual([202, `/api/jobs/${body.id}`]);
    expect(server.jobs.all[0]).toMatchObject({
      door: "api",
      model: "emoji-128",
      request: { prompt: "a fox", seed: "18446744073709551615" },
      output: { format: "webp", quality: 5 },
    });
  });

  it("counts the pixels of a picture that the model makes larger", async () => {
    const defaults = { takesPrompt: true, starts: { image: { steps: 75 } }, enlarges: 4 };
    const server = testServer({ models: { ...FAKE_MODELS, model: async (name) => ({ name, size: 512, defaults }) } });
    const image = (await pngFile(640, 480)).toString("base64");
    const { status, body } = await post(server, { prompt: "x", image });
    expect([status, body.error]).toMatchObject([
      400,
      { param: "image", message: expect.stringMatching(/4 times as wide and high, of 2560x1920 has 4915200 pixels/) },
    ]);
    expect((await post(server, { prompt: "x", image, width: 1024, height: 512 })).body.error).toMatchObject({ param: "width" });
    expect((await post(server, { prompt: "x", image, width: 512, height: 512 })).status).toBe(202);
  });

  it.each([
    [{ promt: "x" }, 400, "promt", /did you mean prompt\?/],
    [{ formt: "png" }, 400, "formt", /a job has no field formt/],
    [{ steps: 5 }, 400, "steps", /it is called numInferenceSteps/],
    [{ foo: 1 }, 400, "foo", /a job has no field foo/],
    [{ format: "gif" }, 400, "format", /expected png, jpeg or webp/],
    [{ model: "../../etc" }, 404, "model", /no model/],
    [{ image: "https://example.com/a.png" }, 400, "image", /is an address/],
    [{ numInferenceSteps: 1001 }, 400, "numInferenceSteps", /limit: maxSteps/],
    [{ width: 4096, height: 4096 }, 400, "width", /limit: maxPixels/],
    [{ prompt: "x".repeat(10_001) }, 400, "prompt", /limit: maxPromptLength/],
    [{ numImagesPerPrompt: 101 }, 400, "numImagesPerPrompt", /limit: maxBatch/],
    [{ controlPreprocessor: "openpose" }, 400, "controlPreprocessor", /expected none, canny, invert/],
    [{ controlMode: ["canny", "edges"] }, 400, "controlMode", /or one of openpose, depth, /],
    [{ numImagesPerPrompt: 0 }, 400, "numImagesPerPrompt", /from 1 to 100 \(limit: maxBatch\)/],
  ])("refuses %j by name", async (fields, status, param, message) => {
    const server = testServer();
    const reply = await post(server, { prompt: "x", ...fields });
    expect(reply.status).toBe(status);
    expect(reply.body.error).toMatchObject({ param, message: expect.stringMatching(message) });
    expect(server.jobs.all).toEqual([]);
  });

  it("lists the fields that there are when one is like no other", async () => {
    const { hint } = (await post(testServer(), { foo: 1 })).body.error as { hint: string };
    expect(hint).toMatch(/^its fields are model, format, quality, previewEvery, .*prompt/);
    expect(hint).not.toMatch(/device|lowMemory|revision/);
  });

  it.each([
    [{ prmpt: "x" }, "prmpt", "did you mean prompt?"],
    [{ formt: "png" }, "formt", "did you mean format?"],
    [{ fromat: "png" }, "fromat", "did you mean format?"],
    [{ Model: "other" }, "Model", "did you mean model?"],
    [{ qualty: 5 }, "qualty", "did you mean quality?"],
    [{ preview_every: 5 }, "preview_every", "did you mean previewEvery?"],
    [{ model: "emoji-182" }, "model", "did you mean emoji-128?"],
    [{ model: "sdxl" }, "model", "its models are emoji-128, other"],
  ])("names the nearest of its own names for %j", async (fields, param, hint) => {
    expect((await post(testServer(), { prompt: "x", ...fields })).body.error).toMatchObject({ param, hint });
  });

  it.each(["", "x".repeat(256)])("refuses an Idempotency-Key of another length", async (key) => {
    const { status, body } = await post(testServer(), { prompt: "x" }, { "idempotency-key": key });
    expect([status, body.error]).toEqual([400, expect.objectContaining({ code: "invalid_idempotency_key" })]);
  });

  it("answers 422 to another request under the same Idempotency-Key", async () => {
    const server = testServer();
    server.jobs.submit = async (_, { key = "" }) => {
      throw new KeyReusedError(key);
    };
    const { status, body } = await post(server, { prompt: "x" }, { "idempotency-key": "k1" });
    expect([status, body.error]).toEqual([422, expect.objectContaining({ code: "idempotency_key_reused" })]);
  });
});

describe("jobs by id", () => {
  it("are shown with addresses of pictures, without hashes and without the pictures that were sent", async () => {
    const server = testServer();
    const { body } = await post(server, { prompt: "x", image: (await pngFile()).toString("base64") });
    await get(server, `/api/jobs/${body.id}/events`);
    const job = JSON.parse((await get(server, `/api/jobs/${body.id}`)).text);
    expect(job).toMatchObject({ state: "done", request: { prompt: "x" }, result: { pictures: [{ width: 128, seed: "1" }] } });
    expect(job.request.image).toBeUndefined();
    expect(job.result.pictures[0].hash).toBeUndefined();
    const picture = await get(server, new URL(job.result.pictures[0].url).pathname);
    expect([picture.status, picture.headers.get("content-type")]).toEqual([200, "image/png"]);
  });

  it("tell their events, and only the later ones after a Last-Event-ID", async () => {
    const server = testServer();
    const { body } = await post(server, { prompt: "x", previewEvery: 2 });
    const all = parseEvents((await get(server, `/api/jobs/${body.id}/events`)).text);
    expect(new Set(all.map(({ event }) => event))).toEqual(new Set(["waiting", "running", "step", "preview", "done"]));
    const step = all.find(({ event }) => event === "step");
    expect(step?.data).toEqual({ type: "step", picture: 0, pictures: 1, step: 1, steps: 4 });
    const rest = await get(server, `/api/jobs/${body.id}/events`, { "last-event-id": String(step?.id) });
    expect(parseEvents(rest.text)).toEqual(all.slice(all.findIndex(({ id }) => id === step?.id) + 1));
  });

  it("end a browser's connecting again with 204", async () => {
    const server = testServer();
    const { body } = await post(server, { prompt: "x" });
    const last = parseEvents((await get(server, `/api/jobs/${body.id}/events`)).text).at(-1);
    expect((await get(server, `/api/jobs/${body.id}/events`, { "last-event-id": String(last?.id) })).status).toBe(204);
  });

  it("are cancelled by DELETE, not by the end of a connection", async () => {
    const started = later<AbortSignal>();
    const server = testServer({
      make: (_, { signal }) => {
        started.resolve(signal);
        return new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
      },
    });
    const { body } = await post(server, { prompt: "x" });
    const signal = await started.promise;
    const reading = await server.app.request(`http://localhost/api/jobs/${body.id}/events`);
    await reading.body?.cancel();
    expect(signal.aborted).toBe(false);
    const reply = await server.app.request(`http://localhost/api/jobs/${body.id}`, { method: "DELETE" });
    expect(await reply.json()).toMatchObject({ state: "cancelled" });
    expect(signal.aborted).toBe(true);
  });

  it("are of their key's owner only", async () => {
    const server = testServer({ access: { apiKeys: ["mine", "yours"] } });
    const { body } = await post(server, { prompt: "x" }, { authorization: "Bearer mine" });
    const ask = async (path: string, key: string) => get(server, path, { authorization: `Bearer ${key}` });
    expect((await ask(`/api/jobs/${body.id}`, "mine")).status).toBe(200);
    expect((await ask(`/api/jobs/${body.id}`, "yours")).status).toBe(404);
    expect((await ask(`/api/jobs/${body.id}/events`, "yours")).status).toBe(404);
    expect(JSON.parse((await ask("/api/jobs", "yours")).text)).toEqual({ jobs: [] });
  });
});

describe("the events of several jobs", () => {
  it("come over one connection, each with its job, after the event that the caller has", async () => {
    const server = testServer();
    const ids = [];
    for (const prompt of ["a", "b", "c"]) ids.push((await post(server, { prompt })).body.id);
    const alone = await Promise.all(ids.map(async (id) => parseEvents((await get(server, `/api/jobs/${id}/events`)).text)));
    const { text, headers } = await get(server, `/api/events?jobs=${ids.join(",")}`);
    expect(headers.get("content-type")).toContain("text/event-stream");
    for (const [i, id] of ids.entries()) {
      const own = parseEvents(text).filter(({ data }) => data.job === id);
      expect(own.map(({ data: { job: _, ...data }, ...event }) => ({ ...event, data }))).toEqual(alone[i]);
    }
    const [a, b] = alone.map((events) => events.map(({ id }) => id));
    const later = parseEvents((await get(server, `/api/events?jobs=${ids[0]}:${a?.at(-2)},${ids[1]}:${b?.at(-1)}`)).text);
    expect(later).toMatchObject([{ event: "done", data: { job: ids[0], type: "done" } }]);
  });

  it("count as one connection, and go on to the end of the last job", async () => {
    const release = later<void>();
    const server = testServer({ limits: { maxEventStreams: 1 }, make: () => release.promise.then(() => Promise.reject(new Error("end"))) });
    const ids = [];
    for (const prompt of ["a", "b"]) ids.push((await post(server, { prompt })).body.id);
    const reading = await server.app.request(`http://localhost/api/events?jobs=${ids}`);
    expect((await get(server, `/api/events?jobs=${ids}`)).status).toBe(429);
    release.resolve();
    const ends = parseEvents(await reading.text()).filter(({ event }) => event === "failed");
    expect(new Set(ends.map(({ data }) => data.job))).toEqual(new Set(ids));
  });

  it("are of the caller's jobs only; others are unknown", async () => {
    const server = testServer({ access: { apiKeys: ["mine", "yours"] } });
    const mine = await post(server, { prompt: "x" }, { authorization: "Bearer mine" });
    const yours = await post(server, { prompt: "x" }, { authorization: "Bearer yours" });
    const path = `/api/events?jobs=${mine.body.id},${yours.body.id},none`;
    const { text } = await get(server, path, { authorization: "Bearer mine" });
    for (const job of [yours.body.id, "none"]) expect(text).toContain(`event: unknown\ndata: ${JSON.stringify({ job, type: "unknown" })}`);
    expect(parseEvents(text).every(({ data }) => data.job === mine.body.id)).toBe(true);
    expect(parseEvents(text).at(-1)?.event).toBe("done");
  });

  it("are by default of all the caller's jobs that wait or run", async () => {
    const release = later<void>();
    const server = testServer({ make: () => release.promise.then(() => Promise.reject(new Error("end"))) });
    expect((await get(server, "/api/events")).text).toBe(": waiting\n\n");
    const ids = [];
    for (const prompt of ["a", "b"]) ids.push((await post(server, { prompt })).body.id);
    const reading = await server.app.request("http://localhost/api/events");
    release.resolve();
    const ends = parseEvents(await reading.text()).filter(({ event }) => event === "failed");
    expect(new Set(ends.map(({ data }) => data.job))).toEqual(new Set(ids));
  });

  it("need 1 to 100 ids", async () => {
    for (const query of ["?jobs=", "?jobs=,", `?jobs=${Array.from({ length: 101 }, (_, i) => i)}`]) {
      const { status, text } = await get(testServer(), `/api/events${query}`);
      expect([status, JSON.parse(text).error.param]).toEqual([400, "jobs"]);
    }
  });
});

it("a list names the field of its query that is wrong", async () => {
  const server = testServer();
  await post(server, { prompt: "x" });
  expect((await get(server, "/api/jobs?state=running,done&limit=5")).status).toBe(200);
  for (const query of ["state=odd", "limit=0", "limit=x", "sort=id"]) {
    const { status, text } = await get(server, `/api/jobs?${query}`);
    expect([status, JSON.parse(text).error.param]).toEqual([400, query.split("=")[0]]);
  }
  expect(JSON.parse((await get(server, "/api/jobs?stat=done")).text).error.message).toContain("did you mean state?");
});

it("GET /api/models tells everything that a request can name", async () => {
  const { text } = await get(testServer(), "/api/models");
  expect(JSON.parse(text)).toMatchObject({
    default: "emoji-128",
    schedulers: expect.arrayContaining(["euler-a"]),
    limits: { maxSteps: 1000 },
  });
});

it("probes need no key; numbers about jobs need one", async () => {
  const server = testServer({ access: { apiKeys: ["k"] } });
  expect((await get(server, "/health")).status).toBe(200);
  expect((await get(server, "/ready")).status).toBe(200);
  expect((await get(server, "/metrics")).status).toBe(401);
});

it("a server that shuts down is not ready", async () => {
  const shutdown = new Shutdown();
  await shutdown.drain();
  expect((await get(testServer({ shutdown }), "/ready")).status).toBe(503);
});

it("a job for which no worker came is a 503 to clients that wait", async () => {
  const make = async () => {
    throw new JobFailed({ kind: "unserved", message: "no worker has the model emoji-128", hint: "start one" });
  };
  const { app } = testServer({ make });
  const reply = await app.request("http://localhost/v1/images/generations", { method: "POST", body: '{"prompt":"x"}' });
  expect(reply.status).toBe(503);
  expect(await reply.json()).toMatchObject({ error: { code: "no_worker", message: expect.stringContaining("no worker has the model") } });
});
