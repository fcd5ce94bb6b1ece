import { expect, it } from "vitest";
import { testServer } from "./test-server.js";

/** A body that comes in two halves, the second one when the test says so. */
function halves(bytes: number) {
  const half = new Uint8Array(bytes / 2).fill(0x20);
  let finish = () => {};
  const rest = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const body = new ReadableStream<Uint8Array>({
    async start(controller) {
      controller.enqueue(half);
      await rest;
      controller.enqueue(half);
      controller.close();
    },
  });
  return { body, finish: () => finish() };
}

function serve(limits: object) {
  const { app } = testServer({ limits: { maxBodyBytes: 1000, maxUploadBytes: 1500, ...limits } });
  const send = async (body: BodyInit, headers: Record<string, string> = {}) =>
    app.request("http://localhost/v1/images/generations", { method: "POST", body, headers, duplex: "half" } as RequestInit);
  return { send };
}

const text = (bytes: number) => '{"prompt": "a fox"}'.padEnd(bytes);
const read = () => new Promise((resolve) => setTimeout(resolve, 20));

it("uploads at a time are bounded: those beyond are told to come again, and have room when others are done", async () => {
  const { send } = serve({});
  const [one, two] = [halves(1000), halves(1000)];
  const first = send(one.body);
  const second = send(two.body);
  await read();
  const refused = await send(text(600));
  expect([refused.status, await refused.json()]).toMatchObject([
    503,
    { error: { code: "too_many_uploads", message: expect.stringContaining("(limit: maxUploadBytes)") } },
  ]);
  expect([refused.headers.get("retry-after"), refused.headers.get("x-should-retry")]).toEqual(["5", "true"]);
  expect((await send(text(400))).status).toBe(200);
  one.finish();
  // Blanks are no prompt; what counts here is that it was read.
  expect((await first).status).toBe(400);
  expect((await send(text(600))).status).toBe(200);
  two.finish();
  expect((await second).status).toBe(400);
});

it("a body that says its size is refused before it is read", async () => {
  const { send } = serve({});
  const one = halves(1200);
  const first = send(one.body);
  await read();
  const refused = await send(halves(1000).body, { "content-length": "1000" });
  expect(refused.status).toBe(503);
  one.finish();
  expect((await first).status).toBe(413);
});

it("one alone may be as large as a body may be", async () => {
  expect((await serve({ maxUploadBytes: 10 }).send(text(900))).status).toBe(200);
});
