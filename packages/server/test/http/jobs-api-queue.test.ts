import { afterEach, expect, it } from "vitest";
import { openEmbeddedJobs } from "../../src/jobs/embedded/embedded-jobs.js";
import type { Jobs } from "../../src/jobs/jobs.js";
import { greyPictures, testServer } from "./test-server.js";

// Our API with the queue as it is, not with one of the tests'.

let jobs: Jobs | undefined;

afterEach(async () => jobs?.close());

async function queueServer(options: Parameters<typeof testServer>[0] = {}) {
  const opened = await openEmbeddedJobs(":memory:");
  jobs = opened;
  const { app, results } = testServer({ ...options, jobs: opened });
  const send = (path: string, init: RequestInit = {}) => app.request(`http://localhost${path}`, init);
  const post = async (body: object, headers: Record<string, string> = {}) => {
    const reply = await send("/api/jobs", { method: "POST", body: JSON.stringify(body), headers });
    return { status: reply.status, ...((await reply.json()) as { id: string; position: number; error: { code: string } }) };
  };
  const work = () => opened.work((job, run) => greyPictures(job, run, results), { slots: 1 });
  return { send, post, work };
}

/** Reads events as they come. */
function reader(reply: Response) {
  const stream = reply.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  return {
    /** Resolves with everything that came, when the event of this name is there. */
    async until(event: RegExp): Promise<string> {
      while (!event.test(text)) {
        const { value, done } = (await stream?.read()) ?? { done: true };
        if (done) throw new Error(`the stream ended without ${event}: ${text}`);
        text += value;
      }
      return text;
    },
    close: () => stream?.cancel(),
  };
}

it("the same Idempotency-Key gives the same job, another request an error, and another caller a job of its own", async () => {
  const { post } = await queueServer({ access: { apiKeys: ["ann", "bob"] } });
  const as = (key: string) => ({ authorization: `Bearer ${key}`, "idempotency-key": "k1" });
  const first = await post({ prompt: "x", seed: 1 }, as("ann"));
  expect(first.status).toBe(202);
  expect(await post({ seed: 1, prompt: "x" }, as("ann"))).toMatchObject({ status: 202, id: first.id });
  expect(await post({ prompt: "y" }, as("ann"))).toMatchObject({ status: 422, error: { code: "idempotency_key_reused" } });
  const other = await post({ prompt: "y" }, as("bob"));
  expect(other.status).toBe(202);
  expect(other.id).not.toBe(first.id);
});

it("events tell the place in the queue when it changes, and go on after the last one that the client had", async () => {
  const { send, post, work } = await queueServer();
  const [first, second] = [await post({ prompt: "a" }), await post({ prompt: "b", previewEvery: 1 })];
  expect(second.position).toBe(2);
  const events = reader(await send(`/api/jobs/${second.id}/events`));
  await events.until(/"position":2/);
  await send(`/api/jobs/${first.id}`, { method: "DELETE" });
  const text = await events.until(/"position":1/);
  await events.close();
  const last = [...text.matchAll(/^id: (\d+)$/gm)].at(-1)?.[1] ?? "";

  work();
  const rest = await (await send(`/api/jobs/${second.id}/events`, { headers: { "last-event-id": last } })).text();
  const numbers = [...rest.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id));
  expect(numbers[0]).toBeGreaterThan(Number(last));
  expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
  const names = [...rest.matchAll(/^event: (\w+)$/gm)].map(([, name]) => name);
  expect(names.at(-1)).toBe("done");
  expect(names.filter((name) => name === "done")).toHaveLength(1);

  const end = String(numbers.at(-1));
  expect((await send(`/api/jobs/${second.id}/events`, { headers: { "last-event-id": end } })).status).toBe(204);
  expect(await (await send(`/api/jobs/${second.id}/events?after=${last}`)).text()).toContain("event: done");
});

it.each(["-1", "x", "1.5", "1e99", "NaN", ""])("the Last-Event-ID %j counts as none", async (id) => {
  const { send, post } = await queueServer();
  const { id: job } = await post({ prompt: "a" });
  const events = reader(await send(`/api/jobs/${job}/events`, { headers: { "last-event-id": id } }));
  await events.until(/event: waiting/);
  await events.close();
});
