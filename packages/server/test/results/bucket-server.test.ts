import { createHash } from "node:crypto";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { BucketStore, startServer } from "../../src/index.js";
import { BUCKET, CREDENTIALS, S3Server } from "./s3-server.js";

it("a server keeps its pictures in a bucket, and gives them from there", async () => {
  const s3 = await S3Server.start();
  onTestFinished(() => s3.dispose());
  const folder = await mkdtemp(join(tmpdir(), "darkroom-server-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const results = await BucketStore.open({ bucket: BUCKET, prefix: "made", endpoint: s3.endpoint, credentials: CREDENTIALS });
  const server = await startServer({ folder, results, port: 0, offer: { runtime: { device: "cpu" } } });
  onTestFinished(() => server.close());

  const request = { prompt: "a panda", seed: 7, numInferenceSteps: 2 };
  const made = await fetch(`${server.address}/api/jobs`, { method: "POST", body: JSON.stringify(request) });
  const { id } = (await made.json()) as { id: string };
  expect(await (await fetch(`${server.address}/api/jobs/${id}/events`)).text()).toContain("event: done");
  const job = (await (await fetch(`${server.address}/api/jobs/${id}`)).json()) as { result: { pictures: { url: string }[] } };
  const picture = new Uint8Array(await (await fetch(job.result.pictures[0]?.url ?? "")).arrayBuffer());
  expect(await s3.keys()).toEqual([`made/${createHash("sha256").update(picture).digest("hex")}`]);
  expect(await readdir(folder)).not.toContain("pictures");
});
