import { expect, it } from "vitest";
import { recordedRequests, replay } from "./recordings.js";
import { serveApp, testServer } from "./test-server.js";

const CLIENTS = ["openai-npm-7", "openai-py-3", "ai-sdk-7", "open-webui", "librechat"];

const recorded = CLIENTS.flatMap((client) => recordedRequests(client, "/v1/").map((each) => [client, ...each] as const));

it.each(recorded)("%s: %s is answered with what the client needs", async (_client, _scenario, request) => {
  const { app, jobs } = testServer();
  const reply = await replay(await serveApp(app), request);
  expect(reply.status, await reply.clone().text()).toBe(200);
  if (request.method === "GET") return;
  expect(jobs.all).toHaveLength(1);
  const json = (request.json ?? {}) as { n?: number; stream?: boolean };
  const stream = json.stream ?? request.parts?.some(({ name }) => name === "stream");
  if (stream) {
    const text = await reply.text();
    expect(text).toMatch(/event: image_(generation|edit)\.completed\ndata: \{"type":"image_\1\.completed","b64_json":"[\w+/=]+"/);
    return;
  }
  const body = (await reply.json()) as { created: number; data: { b64_json?: string; url?: string }[] };
  expect(body.created).toBeGreaterThan(1e9);
  expect(body.data).toHaveLength(json.n ?? 1);
  const asksForUrl = request.parts?.some(({ value }) => value === "url");
  for (const { b64_json, url } of body.data) expect(asksForUrl ? url : b64_json).toMatch(/./);
});
