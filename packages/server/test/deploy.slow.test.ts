import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Redis } from "ioredis";
import { describe, expect, it, onTestFinished } from "vitest";
import { parseAllDocuments } from "yaml";
import manifest from "../package.json" with { type: "json" };
import { openRedisJobs } from "../src/index.js";
import { DarkroomProcess } from "./cli/darkroom-process.js";
import { HandWork, NEW_JOB } from "./jobs/hand-work.js";
import { HAS_REDIS, RedisServer } from "./jobs/redis-server.js";
import { CREDENTIALS, S3Server } from "./results/s3-server.js";

const PAGE = readFileSync(join(import.meta.dirname, "../../../docs/deploy.md"), "utf8");

const documents = [...PAGE.matchAll(/^```yaml\n([\s\S]*?)^```$/gm)].flatMap(([, text = ""]) =>
  parseAllDocuments(text, { merge: true }).map((document) => {
    expect(document.errors).toEqual([]);
    return document.toJS();
  }),
);
const [{ services }, workers, scaling] = documents;
const secondsOf = (command: readonly string[]) => Number(command[command.indexOf("--grace") + 1]);

async function redisServer(): Promise<RedisServer> {
  const redis = await RedisServer.start();
  onTestFinished(() => redis.dispose());
  return redis;
}

it("docs/deploy.md installs what a shared queue needs", () => {
  const [, installed = ""] = /npm install --global ([\w -]+?) &&/.exec(PAGE) ?? [];
  const peers = Object.keys(manifest.peerDependencies);
  expect(installed.split(" ").sort()).toEqual([manifest.name, ...peers].sort());
});

it("docs/deploy.md gives more time to end than jobs get", () => {
  const { server, worker } = services;
  for (const { stop_grace_period: time, command } of [server, worker]) expect(secondsOf(command)).toBeLessThan(Number.parseInt(time, 10));
  const { terminationGracePeriodSeconds, containers } = workers.spec.template.spec;
  expect(secondsOf(containers[0].args)).toBeLessThan(terminationGracePeriodSeconds);
});

it("docs/deploy.md keeps jobs in Redis over a crash, and evicts none", () => {
  expect(services.redis.command.join(" ")).toBe("redis-server --appendonly yes --maxmemory-policy noeviction");
});

describe.skipIf(!HAS_REDIS)("docs/deploy.md, with redis-server", () => {
  it("has a compose file whose server and workers make pictures together", async () => {
    const redis = await redisServer();
    const s3 = await S3Server.start();
    onTestFinished(() => s3.dispose());
    const { server, worker, "bucket-setup": setup } = services;
    expect(setup.command[0]).toContain(`aws s3 mb ${server.environment.DARKROOM_BUCKET}`);
    const environment = (given: Record<string, string>) => ({
      ...given,
      DARKROOM_QUEUE: given.DARKROOM_QUEUE?.replace("redis:6379", new URL(redis.address).host) ?? "",
      AWS_ENDPOINT_URL: s3.endpoint,
      AWS_ACCESS_KEY_ID: CREDENTIALS.accessKeyId,
      AWS_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey,
      DARKROOM_API_KEYS: "first,second",
    });
    const serving = new DarkroomProcess([...server.command, "--port", "0"], environment(server.environment));
    const [, address = ""] = await serving.prints(/listens on (http:\S+)/);
    for (let replica = 0; replica < worker.deploy.replicas; replica++) {
      const working = new DarkroomProcess([...worker.command, "--device", "cpu"], environment(worker.environment));
      await working.prints(/takes jobs for/);
    }
    const reply = await fetch(`${address}/v1/images/generations`, {
      method: "POST",
      headers: { authorization: "Bearer second" },
      body: '{"prompt": "a fox", "steps": 2}',
    });
    expect(await reply.json()).toMatchObject({ data: [{ b64_json: expect.any(String) }] });
    expect(await s3.keys()).toHaveLength(1);
    expect(await serving.kill("SIGTERM")).toBe(0);
  });

  it("scales by keys that have the jobs that wait and run", async () => {
    const redis = await redisServer();
    const client = new Redis(redis.address);
    onTestFinished(() => client.disconnect());
    const jobs = await openRedisJobs(redis.address);
    onTestFinished(() => jobs.close());
    const work = new HandWork();
    for (let i = 0; i < 3; i++) await jobs.submit({ ...NEW_JOB, model: "xl" }, { owner: "ann" });
    const ofModel = /\{darkroom\}:model-xl:\w+/.exec(PAGE)?.[0] ?? "";
    expect(await client.zcard(ofModel)).toBe(3);
    jobs.work(work.handler, { slots: 1 });
    await work.next();
    const lengths = scaling.spec.triggers.map(({ metadata }: { metadata: { listName: string } }) => client.zcard(metadata.listName));
    expect(await Promise.all(lengths)).toEqual([2, 1]);
    expect(await client.zcard(ofModel)).toBe(2);
  });
});
