import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ArgumentError } from "darkroom";
import OpenAI from "openai";
import sharp from "sharp";
import { expect, it, onTestFinished } from "vitest";
import { QueueFileError, type ServerOptions, startServer } from "../src/index.js";

/** A server of a folder of its own, or of the given one, that is closed after the test. */
async function start(options: Partial<ServerOptions> = {}) {
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), "darkroom-server-")));
  const server = await startServer({ port: 0, offer: { runtime: { device: "cpu" } }, ...options, folder });
  onTestFinished(async () => {
    await server.close();
    await rm(folder, { recursive: true, force: true });
  });
  const post = async (body: object) => {
    const reply = await fetch(`${server.address}/api/jobs`, { method: "POST", body: JSON.stringify(body) });
    return (await reply.json()) as { id: string; state: string };
  };
  const job = async (id: string) => {
    const reply = await fetch(`${server.address}/api/jobs/${id}`);
    return (await reply.json()) as { state: string; result?: { pictures: { url: string }[] } };
  };
  const events = async (id: string) => (await fetch(`${server.address}/api/jobs/${id}/events`)).text();
  return { ...server, folder, post, job, events, openai: new OpenAI({ baseURL: `${server.address}/v1`, apiKey: "none", maxRetries: 0 }) };
}

/** Resolves when a job has done a step. */
async function firstStep(address: string, id: string): Promise<void> {
  const { body } = await fetch(`${address}/api/jobs/${id}/events`);
  let text = "";
  for await (const chunk of body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += chunk;
    if (text.includes("event: step")) return;
  }
  throw new Error(`the job ended without a step: ${text}`);
}

it("makes pictures with the embedded checkpoint for the openai package and for its own API, which keeps them over a restart", async () => {
  const first = await start();
  const { data } = await first.openai.images.generate({ prompt: "a panda", seed: 7, steps: 2 } as never);
  const picture = Buffer.from(data?.[0]?.b64_json ?? "", "base64");
  const { width, height } = await sharp(picture).metadata();
  expect([width, height]).toEqual([128, 128]);

  const { id } = await first.post({ prompt: "a panda", seed: 7, numInferenceSteps: 2, previewEvery: 1 });
  const text = await first.events(id);
  for (const event of ["step", "preview", "done"]) expect(text).toContain(`event: ${event}\n`);
  const url = (await first.job(id)).result?.pictures[0]?.url ?? "";
  expect(Buffer.from(await (await fetch(url)).arrayBuffer()).equals(picture)).toBe(true);

  await first.close();
  const second = await start({ folder: first.folder });
  const kept = await fetch(new URL(new URL(url).pathname, second.address));
  expect(Buffer.from(await kept.arrayBuffer()).equals(picture)).toBe(true);
});

it("hands jobs that run back to the queue when it closes, and the next server does them", async () => {
  const first = await start();
  const { id } = await first.post({ prompt: "a panda", numInferenceSteps: 900 });
  const other = await first.post({ prompt: "a fox", numInferenceSteps: 2 });
  await firstStep(first.address, id);
  await first.close();

  const second = await start({ folder: first.folder });
  expect(["waiting", "running"]).toContain((await second.job(id)).state);
  await fetch(`${second.address}/api/jobs/${id}`, { method: "DELETE" });
  expect(await second.events(other.id)).toContain("event: done");
});

it("asks clients that wait to come again when it closes, and cancels their jobs", async () => {
  const first = await start();
  const waiting = first.openai.images.generate({ prompt: "a panda", steps: 900 } as never).catch((error: unknown) => error);
  const listed = async () => {
    const reply = await fetch(`${first.address}/api/jobs`);
    return ((await reply.json()) as { jobs: { id: string }[] }).jobs;
  };
  let job: { id: string } | undefined;
  while (job === undefined) [job] = await listed();
  await first.close();
  expect(await waiting).toMatchObject({ status: 503, code: "shutting_down" });
  const second = await start({ folder: first.folder });
  expect((await second.job(job?.id ?? "")).state).toBe("cancelled");
});

it("lets a job that runs end during the grace, and takes no other", async () => {
  const server = await start();
  const { openai, address } = server;
  const generate = (steps: number) => openai.images.generate({ prompt: "a panda", steps } as never).catch((error: unknown) => error);
  const states = async () => {
    const reply = await fetch(`${address}/api/jobs`);
    return ((await reply.json()) as { jobs: { state: string }[] }).jobs.map(({ state }) => state);
  };
  const running = generate(200);
  while ((await states())[0] !== "running");
  const waiting = generate(2);
  while ((await states()).length < 2);
  const closed = server.close({ grace: 50 });
  const shuttingDown = { status: 503, code: "shutting_down" };
  expect(await waiting).toMatchObject(shuttingDown);
  const refused = await generate(2);
  expect(refused).toMatchObject(shuttingDown);
  expect((refused as { headers: Headers }).headers.get("retry-after")).toBe("5");
  expect((await fetch(`${address}/ready`)).status).toBe(503);
  expect(await states()).toEqual(["cancelled", "running"]);
  expect(await running).toMatchObject({ data: [{ b64_json: expect.any(String) }] });
  await closed;
});

it("ends the work of a client that is gone, whichever API it spoke, and does the next job (docker/model-runner #1041)", async () => {
  const { address, job, post, events } = await start();
  const running = async () => {
    const reply = await fetch(`${address}/api/jobs?state=running`);
    return ((await reply.json()) as { jobs: { id: string }[] }).jobs[0]?.id;
  };
  for (const [path, body] of [
    ["/v1/images/generations", { prompt: "a panda", steps: 900 }],
    ["/v1/images/generations", { prompt: "a panda", steps: 900, stream: true, partial_images: 1 }],
    ["/sdapi/v1/txt2img", { prompt: "a panda", steps: 900 }],
    ["/", { inputs: "a panda", parameters: { num_inference_steps: 900 } }],
  ] as const) {
    const leave = new AbortController();
    const reply = fetch(address + path, { method: "POST", body: JSON.stringify(body), signal: leave.signal }).catch(() => undefined);
    let id: string | undefined;
    while (id === undefined) id = await running();
    await firstStep(address, id);
    leave.abort();
    await reply;
    expect(await events(id)).toMatch(/event: cancelled\ndata: .*\n\n$/);
    expect((await job(id)).state).toBe("cancelled");
  }
  const { id } = await post({ prompt: "a fox", numInferenceSteps: 2 });
  expect(await events(id)).toContain("event: done");
});

it("names the option that is wrong with a model's own words when a job makes no sense", async () => {
  const { openai } = await start();
  const image = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
  const error = await openai.images.generate({ prompt: "x", strength: 2, image } as never).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ status: 400, param: "strength" });
  const late = await openai.images.generate({ prompt: "x", strength: 0.5 } as never).catch((thrown: unknown) => thrown);
  expect(late).toMatchObject({ status: 400, param: "strength" });
});

it("listens where others can reach it with a key only", async () => {
  await expect(startServer({ folder: "unused", host: "0.0.0.0" })).rejects.toThrow(ArgumentError);
  await expect(startServer({ folder: "unused", host: "::" })).rejects.toThrow("without an API key");
  const folder = await mkdtemp(join(tmpdir(), "darkroom-server-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await expect(startServer({ folder, port: 0, host: "0.0.0.0", apiKeys: [""] })).rejects.toThrow("an API key is empty");
});

it("has its folder for itself, and leaves it free when its port is taken", async () => {
  const first = await start();
  await expect(startServer({ folder: first.folder, port: 0 })).rejects.toThrow(QueueFileError);
  const folder = await mkdtemp(join(tmpdir(), "darkroom-server-"));
  await expect(startServer({ folder, port: first.port })).rejects.toThrow(`port ${first.port} of 127.0.0.1 is in use`);
  await start({ folder });
});
