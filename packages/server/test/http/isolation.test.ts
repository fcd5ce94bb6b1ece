import { describe, expect, it } from "vitest";
import { later, pngFile, testServer } from "./test-server.js";

const access = { apiKeys: ["ann", "bob"] };

const as = (key: string) => ({ authorization: `Bearer ${key}` });

/** A server where a job of ann's runs that came through each API. */
async function serverOfTwo() {
  const started = later<void>();
  const server = testServer({
    access,
    make: (_, { signal }) => {
      started.resolve();
      return new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    },
  });
  const send = (key: string, path: string, init: RequestInit = {}) =>
    server.app.request(`http://localhost${path}`, { ...init, headers: { ...as(key), ...(init.headers as Record<string, string>) } });
  return { ...server, send, started: started.promise };
}

const DOORS = [
  ["/api/jobs", { prompt: "x" }],
  ["/v1/images/generations", { prompt: "x" }],
  ["/v1/images/generations", { prompt: "x", stream: true }],
  ["/sdapi/v1/txt2img", { prompt: "x" }],
  ["/hf", { inputs: "x" }],
] as const;

describe.each(DOORS)("a job of one key that came through %s %j", (path, body) => {
  it("is not seen, watched, cancelled or interrupted by another key", async () => {
    const { send, jobs, started } = await serverOfTwo();
    void send("ann", path, { method: "POST", body: JSON.stringify(body) });
    await started;
    const [{ id } = { id: "" }] = jobs.all;
    expect((await send("bob", `/api/jobs/${id}`)).status).toBe(404);
    expect((await send("bob", `/api/jobs/${id}`, { method: "DELETE" })).status).toBe(404);
    expect((await send("bob", `/api/jobs/${id}/events`)).status).toBe(404);
    expect(await (await send("bob", "/api/jobs")).json()).toEqual({ jobs: [] });
    expect(await (await send("bob", "/sdapi/v1/progress")).json()).toMatchObject({ progress: 0, state: { job_count: 0 } });
    for (const word of ["interrupt", "skip"]) await send("bob", `/sdapi/v1/${word}`, { method: "POST" });
    expect((await jobs.get(id))?.state).toBe("running");
    expect(((await (await send("ann", "/api/jobs")).json()) as { jobs: object[] }).jobs).toHaveLength(1);
    await jobs.cancel(id);
  });
});

it("options of AUTOMATIC1111's API are each key's own", async () => {
  const { send } = await serverOfTwo();
  await send("ann", "/sdapi/v1/options", { method: "POST", body: '{"sd_model_checkpoint":"other"}' });
  expect(await (await send("ann", "/sdapi/v1/options")).json()).toMatchObject({ sd_model_checkpoint: "other" });
  expect(await (await send("bob", "/sdapi/v1/options")).json()).toMatchObject({ sd_model_checkpoint: "emoji-128" });
});

it.each(["key", "api_key", "apikey", "token", "access_token", "authorization"])(
  "a key in an address, ?%s=, lets nobody in",
  async (name) => {
    const { app, errors } = testServer({ access });
    const reply = await app.request(`http://localhost/v1/models?${name}=ann`);
    expect(reply.status).toBe(401);
    expect(await reply.text()).not.toContain("ann");
    expect(errors).toEqual([]);
  },
);

it("an error of the server holds neither keys nor bodies", async () => {
  const { app, jobs, errors } = testServer({ access });
  jobs.submit = async () => {
    throw new Error("SQLITE_FULL");
  };
  const image = (await pngFile()).toString("base64");
  for (const [path] of DOORS) {
    const body = JSON.stringify({
      prompt: "secret prompt",
      inputs: "secret prompt",
      ...(path !== "/api/jobs" && { auth: "user:password" }),
    });
    await app.request(`http://localhost${path}`, {
      method: "POST",
      headers: as("ann"),
      body: path === "/api/jobs" ? '{"prompt":"secret prompt"}' : body,
    });
  }
  await app.request("http://localhost/sdapi/v1/img2img", {
    method: "POST",
    headers: as("ann"),
    body: JSON.stringify({ prompt: "secret prompt", init_images: [image] }),
  });
  expect(errors.length).toBeGreaterThan(3);
  for (const error of errors) {
    const text = `${error} ${(error as Error).stack} ${JSON.stringify(error)}`;
    expect(text).not.toMatch(/secret|password|ann\b/);
    expect(text).not.toContain(image.slice(0, 40));
  }
});

describe("a prompt with HTML in it (stored XSS)", () => {
  const evil = `<script>alert(1)</script>"><img src=x onerror=alert(2)>`;

  it.each([
    ["/api/jobs", { prompt: evil }],
    ["/api/jobs", { prompt: "x", [evil]: 1 }],
    ["/api/jobs", { prompt: "x", model: evil }],
    ["/v1/images/generations", { prompt: evil }],
    ["/v1/images/generations", { prompt: "x", model: evil }],
    ["/sdapi/v1/txt2img", { prompt: evil, force_task_id: evil }],
    ["/sdapi/v1/txt2img", { prompt: "x", sampler_name: evil }],
    ["/hf", { inputs: evil }],
    [`/${encodeURIComponent(evil)}`, {}],
    [`/sdapi/v1/${encodeURIComponent(evil)}`, {}],
  ])("never comes back as a page: %s %j", async (path, body) => {
    const server = testServer();
    const send = (to: string, init?: RequestInit) => server.app.request(`http://localhost${to}`, init);
    const replies = [await send(path, { method: "POST", body: JSON.stringify(body) })];
    const [job] = server.jobs.all;
    if (job) {
      const [picture] = job.result?.pictures ?? [];
      replies.push(await send(`/api/jobs/${job.id}/events`), await send(`/api/jobs/${job.id}`), await send("/api/jobs"));
      replies.push(await send(`/files/${picture?.id}`), await send("/sdapi/v1/progress"), await send("/metrics"));
    }
    for (const reply of replies) {
      expect(reply.headers.get("content-type")).toMatch(/^(application\/json|text\/event-stream|image\/png|text\/plain)/);
      expect(reply.headers.get("x-content-type-options")).toBe("nosniff");
      expect(reply.headers.get("content-security-policy")).toContain("default-src 'none'");
      await reply.body?.cancel();
    }
  });
});
