import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { HAS_REDIS, RedisServer } from "../jobs/redis-server.js";
import { DarkroomProcess, serve, temporaryFolder } from "./darkroom-process.js";

/** More steps than a test waits for. */
const ENDLESS = { prompt: "a panda", numInferenceSteps: 900, numImagesPerPrompt: 100 };
const LONG = { prompt: "a panda", seed: 7, numInferenceSteps: 300 };
const SHORT = { prompt: "a fox", numInferenceSteps: 2, previewEvery: 1 };

type Server = Awaited<ReturnType<typeof serve>>;

async function until({ job }: Server, id: string, state: string): Promise<void> {
  for (let found = ""; found !== state; found = (await job(id)).state) await new Promise((resolve) => setTimeout(resolve, 50));
}

describe.skipIf(!HAS_REDIS)("darkroom worker", () => {
  let redis: RedisServer;
  let folder: string;
  beforeEach(async () => {
    redis = await RedisServer.start();
    folder = await temporaryFolder();
  });
  afterEach(() => redis.dispose());

  const storage = () => ["--queue", redis.address, "--folder", folder];
  const server = (...args: string[]) => serve(folder, [...storage(), "--slots", "0", ...args]);
  async function worker(...args: string[]): Promise<DarkroomProcess> {
    const started = new DarkroomProcess(["worker", ...storage(), "--device", "cpu", ...args]);
    await started.prints(/^darkroom takes jobs for the embedded checkpoint$/m);
    return started;
  }

  it("does the jobs of a server in another process, which tells their progress, gives their pictures and cancels them", async () => {
    const at = await server();
    const early = await at.submit(SHORT);
    expect((await at.call("/api/models")).body).toMatchObject({ models: [{ name: "emoji-128", slots: 0 }] });
    const told = await fetch(`${at.address}/api/jobs/${early}/events`);
    await worker();
    const events = await told.text();
    for (const type of ["waiting", "running", "step", "preview", "done"]) expect(events).toContain(`event: ${type}\n`);
    const url = (await at.job(early)).result?.pictures[0]?.url ?? "";
    expect((await fetch(url)).headers.get("content-type")).toBe("image/png");
    expect((await at.call("/api/models")).body).toMatchObject({ models: [{ name: "emoji-128", slots: 1 }] });

    const endless = await at.submit(ENDLESS);
    await until(at, endless, "running");
    const next = await at.submit(SHORT);
    expect((await at.call(`/api/jobs/${endless}`, { method: "DELETE" })).body.state).toBe("cancelled");
    await until(at, next, "done");
    const generated = await at.call("/v1/images/generations", { method: "POST", body: '{"prompt": "a fox", "steps": 2}' });
    expect(generated).toMatchObject({ status: 200, body: { data: [{ b64_json: expect.any(String) }] } });
  });

  it("gives its job to another when it is killed; a job that meets this twice fails, and others go on", async () => {
    const at = await server();
    const first = [await worker(), await worker()];
    const long = await at.submit(LONG);
    await until(at, long, "running");
    const told = fetch(`${at.address}/api/jobs/${long}/events`).then((reply) => reply.text());
    const poison = await at.submit(ENDLESS);
    await until(at, poison, "running");
    await Promise.all(first.map((each) => each.kill("SIGKILL")));

    const second = [await worker(), await worker()];
    await until(at, long, "done");
    expect((await at.job(long)).crashes).toBe(1);
    const numbers = [...(await told).matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id));
    expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
    expect((await told).match(/^event: (running|done)$/gm)).toEqual(["event: running", "event: running", "event: done"]);
    await until(at, poison, "running");
    await Promise.all(second.map((each) => each.kill("SIGKILL")));

    await worker();
    const last = await at.submit(SHORT);
    await until(at, poison, "failed");
    expect(await at.job(poison)).toMatchObject({ crashes: 2, error: { kind: "crashed" } });
    await until(at, last, "done");
  }, 300_000);

  it("hands its job back when it is told to end, and another does it", async () => {
    const at = await server();
    const first = await worker("--grace", "0.2");
    const endless = await at.submit(ENDLESS);
    await until(at, endless, "running");
    expect(await first.kill("SIGTERM")).toBe(0);
    expect(await at.job(endless)).toMatchObject({ state: "waiting", crashes: 0 });
    await worker();
    await until(at, endless, "running");
  });

  it("goes on when Redis is killed and started again", async () => {
    const at = await server();
    const one = await worker();
    const endless = await at.submit(ENDLESS);
    await until(at, endless, "running");
    const waiting = await at.submit(SHORT);
    await redis.kill();
    await redis.start();
    expect((await at.call(`/api/jobs/${endless}`, { method: "DELETE" })).body.state).toBe("cancelled");
    await until(at, waiting, "done");
    const later = await at.submit(SHORT);
    await until(at, later, "done");
    // A connection that is tried again and again is told once.
    expect(one.stderr.match(/ECONNREFUSED/g)?.length ?? 0).toBeLessThan(10);
  });

  it("shares a queue with servers that do jobs themselves", async () => {
    const one = await serve(folder, storage());
    const two = await serve(folder, [...storage(), "--slots", "0"]);
    const id = await two.submit(SHORT);
    await until(one, id, "done");
    const url = (await two.job(id)).result?.pictures[0]?.url ?? "";
    expect((await fetch(url)).status).toBe(200);
    expect(await one.kill("SIGTERM")).toBe(0);
  });

  it.each([
    [["worker"], 2, /a worker needs --queue/],
    [
      ["worker", "--queue", "redis://127.0.0.1:1", "--folder", "FOLDER"],
      2,
      /--queue: Redis at 127\.0\.0\.1:1 cannot be reached: .*\n {2}start Redis/,
    ],
    [["worker", "--queue", "REDIS"], 2, /--folder: there is no place for finished pictures.*same bucket or folder\n {2}give a bucket/],
    [["serve", "--port", "0", "--queue", "REDIS"], 2, /--folder: there is no place for finished pictures/],
    [["serve", "--slots", "0"], 2, /--slots: the server would do no jobs/],
    [["worker", "--queue", "REDIS", "--bucket", "pictures"], 2, /--bucket: .*s3:\/\/BUCKET/],
    [["worker", "--queue", "REDIS", "--bucket", "s3://pictures", "--bucket-endpoint", "http://127.0.0.1:1"], 2, /--bucket: .*\n {2}/],
    [["worker", "--queue", "REDIS", "--model", "nowhere", "--folder", "FOLDER"], 3, /nowhere does not exist/],
  ])("refuses what cannot work: %j", async (args, code, message) => {
    const env = { AWS_ACCESS_KEY_ID: "key", AWS_SECRET_ACCESS_KEY: "secret" };
    const places: Readonly<Record<string, string>> = { REDIS: redis.address, FOLDER: await temporaryFolder() };
    const started = new DarkroomProcess(
      args.map((each) => places[each] ?? each),
      env,
    );
    expect(await started.ended).toBe(code);
    expect(started.stderr).toMatch(message);
    expect(started.stderr).not.toMatch(/^\s+at /m);
  });
});
