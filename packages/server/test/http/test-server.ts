import { randomUUID } from "node:crypto";
import type { AddressInfo } from "node:net";
import { createAdaptorServer } from "@hono/node-server";
import sharp from "sharp";
import { onTestFinished } from "vitest";
import { type AppOptions, createApp } from "../../src/http/app.js";
import type { Models } from "../../src/http/models.js";
import type { Job, JobResult } from "../../src/jobs/job.js";
import type { JobRun } from "../../src/jobs/jobs.js";
import type { ResultStore } from "../../src/results/result-store.js";
import { MemoryStore } from "../memory-store.js";
import { FakeJobs, type Maker } from "./fake-jobs.js";

export const FAKE_MODELS: Models = {
  defaultModel: "emoji-128",
  modelNames: ["emoji-128", "other"],
  vaeNames: ["sharp-vae"],
  controlnetNames: ["control_v11p_sd15_canny"],
  upscalerNames: ["4x-fine"],
  loras: async () => [{ name: "fox" }],
  embeddings: async () => [{ name: "cat-toy" }],
  models: async () => [{ name: "emoji-128" }, { name: "other" }],
  model: async (name) =>
    ["emoji-128", "other"].includes(name)
      ? { name, size: 128, defaults: { takesPrompt: true, starts: { noise: { steps: 20 } } } }
      : undefined,
  check: async () => undefined,
};

/** A server with jobs in memory. Every job makes grey pictures, in four steps, unless `make` says otherwise. */
export function testServer({ make, ...options }: Partial<AppOptions> & { readonly make?: Maker } = {}) {
  const results = new MemoryStore();
  const jobs = new FakeJobs(make ?? ((job, run) => greyPictures(job, run, results)));
  const errors: unknown[] = [];
  const app = createApp({ jobs, results, models: FAKE_MODELS, onError: (error) => errors.push(error), ...options });
  return { app, jobs, results, errors };
}

/** Serves an app on a port until the test ends, and returns its address. */
export async function serveApp(app: ReturnType<typeof createApp>): Promise<string> {
  const server = createAdaptorServer({ fetch: app.fetch });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        if ("closeAllConnections" in server) server.closeAllConnections();
      }),
  );
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** The size of the pictures that a request asks for. */
export async function greyPictures(job: Job, run: JobRun, results: ResultStore): Promise<JobResult> {
  const { width = 128, height = 128, numImagesPerPrompt: count = 1, seed = 1 } = job.request;
  const { format } = job.output;
  const data = await sharp({ create: { width, height, channels: 3, background: "grey" } })
    .toFormat(format)
    .toBuffer();
  const hash = await results.put(data, `image/${format}`);
  const pictures = [];
  for (let picture = 0; picture < count; picture++) {
    for (let step = 1; step <= 4; step++) {
      run.progress({ picture, pictures: count, step, steps: 4 });
      if (job.previewEvery > 0) run.preview(picture, { type: "image/jpeg", base64: "/9j/" });
    }
    pictures.push({
      id: randomUUID(),
      hash,
      bytes: data.byteLength,
      type: `image/${format}` as const,
      width,
      height,
      seed: String(BigInt(seed) + BigInt(picture)),
      parameters: `${job.request.prompt}\nSteps: 4`,
    });
  }
  return { pictures, settings: { steps: 4 }, warnings: [], seconds: { load: 0, generate: 0.1 } };
}

/** A PNG file of one colour. */
export async function pngFile(width = 8, height = 8): Promise<Buffer> {
  return sharp({ create: { width, height, channels: 3, background: "red" } })
    .png()
    .toBuffer();
}

/** A promise, and what settles it. */
export function later<Value>() {
  let resolve: (value: Value) => void = () => undefined;
  let reject: (error: unknown) => void = () => undefined;
  const promise = new Promise<Value>((resolved, rejected) => {
    resolve = resolved;
    reject = rejected;
  });
  return { promise, resolve, reject };
}
