import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, it, onTestFinished } from "vitest";
import { Client } from "../../src/api/client.js";
import { jobEvents } from "../../src/api/job-events.js";

/** A client of a server that answers as given; pages need no address for theirs. */
async function clientOf(answer: RequestListener, key?: string): Promise<Client> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const client = new Client({ key: () => key, onAnswer: () => undefined, onRefused: () => undefined });
  const { fetch: relative } = client;
  client.fetch = (path, init) => relative.call(client, base + path, init);
  return client;
}

const frame = (id: number, { job = "job 1", ...event }: { readonly type: string; readonly job?: string }) =>
  `id: ${id}\nevent: ${event.type}\ndata: ${JSON.stringify({ job, ...event })}\n\n`;

async function typesOf(client: Client, signal = new AbortController().signal): Promise<string[]> {
  const types: string[] = [];
  for await (const event of jobEvents(client, new Map([["job 1", 0]]), signal)) types.push(event.type);
  return types;
}

it("goes on after the last event when the connection is cut, with the key, until the job's end", async () => {
  const asked: (string | undefined)[][] = [];
  const client = await clientOf((request, reply) => {
    asked.push([request.url, request.headers.authorization]);
    reply.writeHead(200, { "content-type": "text/event-stream" });
    if (asked.length === 1) {
      reply.write(`: waiting\n\n${frame(4, { type: "running" })}${frame(7, { type: "step" }).slice(0, 12)}`);
      setTimeout(() => reply.destroy(), 50);
    } else {
      reply.end(frame(7, { type: "step" }) + frame(9, { type: "cancelled" }));
    }
  }, "secret");
  expect(await typesOf(client)).toEqual(["running", "step", "cancelled"]);
  expect(asked).toEqual([
    ["/api/events?jobs=job%201", "Bearer secret"],
    ["/api/events?jobs=job%201:4", "Bearer secret"],
  ]);
});

it("tries again while the server is down, and ends where no job is left", async () => {
  let calls = 0;
  const client = await clientOf((_, reply) => {
    calls++;
    reply.writeHead(calls === 1 ? 503 : 200).end(calls === 1 ? "" : frame(0, { type: "unknown" }));
  });
  expect(await typesOf(client)).toEqual(["unknown"]);
  expect(calls).toBe(2);
});

it("asks for several jobs over one connection, each after its own last event, and only for those that have not ended", async () => {
  const asked: (string | undefined)[] = [];
  const client = await clientOf((request, reply) => {
    asked.push(request.url);
    const events = [
      [frame(5, { type: "running", job: "a" }), frame(2, { type: "waiting", job: "b" }), frame(9, { type: "failed", job: "c" })],
      [frame(6, { type: "done", job: "a" }), frame(3, { type: "running", job: "b" })],
      [frame(4, { type: "cancelled", job: "b" })],
    ][asked.length - 1];
    reply.writeHead(200).end(events?.join(""));
  });
  const last = new Map(["a", "b", "c"].map((id) => [id, id === "a" ? 3 : 0]));
  const seen: string[] = [];
  for await (const { job, type } of jobEvents(client, last, new AbortController().signal)) seen.push(`${job} ${type}`);
  expect(seen).toEqual(["a running", "b waiting", "c failed", "a done", "b running", "b cancelled"]);
  expect(asked).toEqual(["/api/events?jobs=a:3,b,c", "/api/events?jobs=a:5,b:2", "/api/events?jobs=b:3"]);
});

it("throws what the server refuses, with its words", async () => {
  const client = await clientOf((_, reply) => {
    reply
      .writeHead(404, { "retry-after": "3" })
      .end(JSON.stringify({ error: { message: "there is no such job", hint: "x", param: null } }));
  });
  await expect(typesOf(client)).rejects.toMatchObject({
    status: 404,
    message: "there is no such job",
    details: { hint: "x", retryAfter: 3 },
  });
});

it("ends when it is told to, in the middle of a silent stream, too", async () => {
  const controller = new AbortController();
  const client = await clientOf((_, reply) => {
    reply.writeHead(200).write(frame(1, { type: "running" }));
    setTimeout(() => controller.abort(), 50);
  });
  expect(await typesOf(client, controller.signal)).toEqual(["running"]);
});

it("sends a job again under the same key when the connection is lost, so that there is one job", async () => {
  const keys: unknown[] = [];
  const client = await clientOf((request, reply) => {
    keys.push(request.headers["idempotency-key"]);
    if (keys.length === 1) request.socket.destroy();
    else reply.writeHead(202, { "content-type": "application/json" }).end(JSON.stringify({ id: "job-1", state: "waiting" }));
  });
  expect(await client.submit({ prompt: "a fox" })).toMatchObject({ id: "job-1" });
  expect(keys[0]).toMatch(/^[0-9a-f]{32}$/);
  expect(keys).toEqual([keys[0], keys[0]]);
});
