import OpenAI, { APIError, toFile } from "openai";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { maskOf } from "../../src/http/openai/mask.js";
import { JobFailed, QueueClosedError, QueueFullError } from "../../src/jobs/jobs.js";
import { greyPictures, later, pngFile, serveApp, testServer } from "./test-server.js";

async function client(options?: Parameters<typeof testServer>[0]) {
  const server = testServer(options);
  const address = await serveApp(server.app);
  return { ...server, address, openai: new OpenAI({ baseURL: `${address}/v1`, apiKey: "none", maxRetries: 0 }) };
}

/** A maker that waits until its job is cancelled. */
const forever = (_: unknown, { signal }: { signal: AbortSignal }) =>
  new Promise<never>((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));

const PNG = "iVBORw0KGgo";

describe("the openai package", () => {
  it("gets pictures of the size and format that it asks for", async () => {
    const { openai, jobs } = await client();
    const reply = await openai.images.generate({ prompt: "a fox", n: 2, size: "48x32", output_format: "webp", output_compression: 80 });
    const [first] = reply.data ?? [];
    const { width, height, format } = await sharp(Buffer.from(first?.b64_json ?? "", "base64")).metadata();
    expect({ count: reply.data?.length, width, height, format, size: reply.size }).toEqual({
      count: 2,
      width: 48,
      height: 32,
      format: "webp",
      size: "48x32",
    });
    expect(jobs.all[0]).toMatchObject({ door: "openai", model: "emoji-128", output: { format: "webp", quality: 80 } });
  });

  it("sends our own options in snake_case, in camelCase and by short names", async () => {
    const { openai, jobs } = await client();
    const extensions = {
      seed: 7,
      steps: 4,
      negative_prompt: "blue",
      guidance: 5,
      clipSkip: 1,
      prompt_syntax: "a1111",
      foo: 1,
      device: "cpu",
    };
    await openai.images.generate({ prompt: "a fox", ...extensions } as Parameters<typeof openai.images.generate>[0]);
    expect(jobs.all[0]?.request).toEqual({
      prompt: "a fox",
      seed: 7,
      numInferenceSteps: 4,
      negativePrompt: "blue",
      guidanceScale: 5,
      clipSkip: 1,
      promptSyntax: "a1111",
    });
  });

  it("gets an address where it asks for one, and the picture behind it without a key", async () => {
    const { openai } = await client();
    const { data } = await openai.images.generate({ prompt: "a fox", response_format: "url" });
    const reply = await fetch(data?.[0]?.url ?? "");
    expect(reply.headers.get("content-type")).toBe("image/png");
    expect(Buffer.from(await reply.arrayBuffer()).toString("base64")).toContain(PNG);
  });

  it("edits a picture with a mask, in the picture's shape at the model's size", async () => {
    const { openai, jobs } = await client();
    const image = await toFile(await pngFile(80, 20), "a.txt", { type: "text/plain" });
    await openai.images.edit({ image: [image], mask: image, prompt: "in snow", n: 1 });
    expect(jobs.all[0]?.request).toMatchObject({
      width: 256,
      height: 64,
      image: expect.stringContaining(PNG),
      maskImage: expect.any(String),
    });
  });

  it("streams as many unfinished pictures as it wants, and the finished one", async () => {
    const { openai } = await client();
    const stream = await openai.images.generate({ prompt: "a fox", stream: true, partial_images: 2 });
    const types: string[] = [];
    for await (const event of stream) types.push(event.type);
    expect(types).toEqual(["image_generation.partial_image", "image_generation.partial_image", "image_generation.completed"]);
  });

  it("is told of a failure in a stream", async () => {
    const make = () => Promise.reject(new JobFailed({ kind: "device", message: "out of memory" }));
    const { openai } = await client({ make });
    const stream = await openai.images.generate({ prompt: "a fox", stream: true });
    const read = async () => {
      for await (const _ of stream);
    };
    await expect(read()).rejects.toThrow("out of memory");
  });

  it("lists models", async () => {
    const { openai } = await client();
    const ids: string[] = [];
    for await (const { id } of openai.models.list()) ids.push(id);
    expect(ids).toEqual(["emoji-128", "other"]);
    expect((await openai.models.retrieve("gpt-image-1")).id).toBe("emoji-128");
  });

  it.each([
    [{ model: "unknown" }, 404, "model", "model_not_found"],
    [{ n: 101 }, 400, "n", "invalid_n"],
    [{ n: 0 }, 400, "n", "invalid_n"],
    [{ size: "large" }, 400, "size", "invalid_size"],
    [{ size: "9000x9000" }, 400, "size", "invalid_size"],
    [{ background: "transparent" }, 400, "background", "invalid_background"],
    [{ steps: 5000 }, 400, "steps", "invalid_steps"],
    [{ negative_prompt: "x".repeat(10_001) }, 400, "negative_prompt", "invalid_negative_prompt"],
    [{ output_format: "svg" }, 400, "output_format", "invalid_output_format"],
    [{ response_format: "xml" }, 400, "response_format", "invalid_response_format"],
    [{ image: "http://169.254.169.254/latest" }, 400, "image", "invalid_image"],
    [{ image: "file:///etc/passwd" }, 400, "image", "invalid_image"],
    [{ image: "/etc/passwd" }, 400, "image", "invalid_image"],
    [{ images: [{ image_url: "https://example.com/a.png" }] }, 400, "images", "invalid_images"],
  ])("gets an error that names the field: %j", async (fields, status, param, code) => {
    const { openai, jobs } = await client();
    const request = { prompt: "a fox", ...fields } as Parameters<typeof openai.images.generate>[0];
    const error = await openai.images.generate(request).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(APIError);
    expect(error).toMatchObject({ status, param, code, type: "invalid_request_error" });
    expect(jobs.all).toEqual([]);
  });

  it.each([
    [{ n: 0 }, "400 n is 0; expected a whole number from 1 to 100 (limit: maxBatch)"],
    [{ n: 1.5 }, "400 n is 1.5; expected a whole number from 1 to 100 (limit: maxBatch)"],
    [{ size: "99999x99999" }, "400 size is 99999x99999, 9999800001 pixels; this server takes at most 4194304 (limit: maxPixels)"],
    [{ size: "2044x2052" }, "400 size is 2044x2052, 4210688 pixels; this server takes at most 4194304 (limit: maxPixels)"],
  ])("is told of %j as it sent it: %s", async (fields, message) => {
    const { openai } = await client();
    await expect(openai.images.generate({ prompt: "x", ...fields } as never)).rejects.toThrow(message);
  });

  it("is told in a stream, too, that a size was rounded", async () => {
    const { openai } = await client();
    const stream = await openai.images.generate({ prompt: "a fox", size: "63x64" as never, stream: true });
    for await (const event of stream) {
      expect(event).toMatchObject({ size: "64x64", warnings: ["size is 63x64; sides are multiples of 8, so pictures are 64x64"] });
    }
  });

  it("is told that a compression has no effect on png", async () => {
    const { openai } = await client();
    const warningsOf = async (fields: object) =>
      ((await openai.images.generate({ prompt: "x", ...fields })) as { warnings?: string[] }).warnings;
    const warning = ["output_compression is 80; it has no effect on png, which loses nothing"];
    expect(await warningsOf({ output_compression: 80 })).toEqual(warning);
    expect(await warningsOf({ output_compression: 80, output_format: "png" })).toEqual(warning);
    expect(await warningsOf({ output_compression: 100 })).toBeUndefined();
    expect(await warningsOf({ output_compression: 80, output_format: "jpeg" })).toBeUndefined();
  });

  it("is told which limit a request is beyond, in its own words", async () => {
    const { openai } = await client({ limits: { maxSteps: 30 } });
    await expect(openai.images.generate({ prompt: "x", steps: 31 } as never)).rejects.toThrow(
      "400 steps is 31; this server takes at most 30 (limit: maxSteps)",
    );
  });

  it("is asked to come again when the queue is full", async () => {
    const { openai, jobs } = await client();
    jobs.maxLive = 0;
    const error = (await openai.images.generate({ prompt: "x" }).catch((thrown: unknown) => thrown)) as APIError;
    expect(error.status).toBe(429);
    expect([error.headers?.get("retry-after"), error.headers?.get("x-should-retry")]).toEqual(["7", "true"]);
  });

  it("need not try again after a crash: the queue did", async () => {
    const make = () => Promise.reject(new JobFailed({ kind: "crashed", message: "the model's process ended twice" }));
    const { openai } = await client({ make });
    const error = (await openai.images.generate({ prompt: "x" }).catch((thrown: unknown) => thrown)) as APIError;
    expect([error.status, error.code, error.headers?.get("x-should-retry")]).toEqual([500, "worker_died", "false"]);
  });

  it.each([false, true])("cancels its job by going away (stream: %j; docker/model-runner #1041)", async (stream) => {
    const started = later<AbortSignal>();
    const make = (job: unknown, run: { signal: AbortSignal }) => {
      started.resolve(run.signal);
      return forever(job, run);
    };
    const { openai, jobs } = await client({ make });
    const leave = new AbortController();
    const reply = openai.images.generate({ prompt: "x", stream }, { signal: leave.signal }).catch(() => undefined);
    const signal = await started.promise;
    if (stream) await reply;
    const cancelled = new Promise((resolve) => signal.addEventListener("abort", resolve));
    leave.abort();
    await cancelled;
    expect(jobs.all[0]?.state).toBe("cancelled");
  });

  it("tries again by itself after 429 and 503, and not after a job's own failure", async () => {
    let submits = 0;
    const { openai, jobs } = await client();
    const submit = jobs.submit.bind(jobs);
    const refusals = [new QueueFullError(3, 0), new QueueClosedError()];
    jobs.submit = async (...given) => {
      submits++;
      const refusal = refusals.shift();
      if (refusal) throw refusal;
      return submit(...given);
    };
    const { data } = await openai.images.generate({ prompt: "x" }, { maxRetries: 2 });
    expect([data?.length, submits, jobs.all.length]).toEqual([1, 3, 1]);
    const failing = await client({ make: () => Promise.reject(new JobFailed({ kind: "device", message: "out of memory" })) });
    await expect(failing.openai.images.generate({ prompt: "x" }, { maxRetries: 2 })).rejects.toThrow("500 out of memory");
    expect(failing.jobs.all).toHaveLength(1);
  }, 30_000);

  it("whose time is over sends its request again; its first job is cancelled", async () => {
    const { openai, jobs } = await client({ make: forever });
    await openai.images.generate({ prompt: "x" }, { timeout: 300, maxRetries: 1 }).catch(() => undefined);
    await expect.poll(() => jobs.all.map(({ state }) => state)).toEqual(["cancelled", "cancelled"]);
  });

  it("skips the comments in a stream that show that it is alive", async () => {
    const finish = later<void>();
    const server = testServer();
    const { openai, address } = await client({
      patience: { blanksEvery: 1 },
      results: server.results,
      make: async (job, run) => {
        await finish.promise;
        return greyPictures(job, run, server.results);
      },
    });
    setTimeout(() => finish.resolve(), 50);
    const types: string[] = [];
    for await (const event of await openai.images.generate({ prompt: "x", stream: true })) types.push(event.type);
    expect(types).toEqual(["image_generation.completed"]);
    const raw = await fetch(`${address}/v1/images/generations`, { method: "POST", body: '{"prompt":"x","stream":true}' });
    expect(await raw.text()).toMatch(/^: waiting\n\n/);
  });

  it("reads a slow reply that begins with blanks", async () => {
    const patience = { blanksAfter: 1, blanksEvery: 1 };
    const finish = later<void>();
    const server = testServer();
    const { openai } = await client({
      patience,
      results: server.results,
      make: async (job, run) => {
        await finish.promise;
        return greyPictures(job, run, server.results);
      },
    });
    const reply = await openai.images.generate({ prompt: "x" }).asResponse();
    finish.resolve();
    const text = await reply.text();
    expect(text).toMatch(/^ +\{"created"/);
  });

  it("sees a failure after blanks as a connection that ends", async () => {
    const fail = later<never>();
    const { openai } = await client({ patience: { blanksAfter: 1, blanksEvery: 1 }, make: () => fail.promise });
    const reply = await openai.images.generate({ prompt: "x" }).asResponse();
    fail.reject(new JobFailed({ kind: "device", message: "out of memory" }));
    await expect(reply.text()).rejects.toThrow("terminated");
  });
});

describe("masks", () => {
  it("are white where OpenAI's are transparent", async () => {
    const pixels = Buffer.from([0, 0, 0, 0, 255, 255, 255, 255]);
    const mask = await sharp(pixels, { raw: { width: 2, height: 1, channels: 4 } })
      .png()
      .toBuffer();
    const { data } = await sharp(await maskOf(mask))
      .greyscale()
      .raw()
      .toBuffer({ resolveWithObject: true });
    expect([...data]).toEqual([255, 0]);
  });

  it("stay as they are without transparency", async () => {
    const mask = await pngFile();
    expect(await maskOf(mask)).toBe(mask);
  });
});

describe("edits", () => {
  const colour = async (background: string | { r: number; g: number; b: number; alpha: number }, width = 64, height = 64) =>
    new Blob([
      new Uint8Array(
        await sharp({ create: { width, height, channels: typeof background === "string" ? 3 : 4, background } })
          .png()
          .toBuffer(),
      ),
    ]);
  const hole = { r: 9, g: 9, b: 9, alpha: 0 };

  async function edit(parts: readonly (readonly [string, string | Blob])[], path = "edits") {
    const form = new FormData();
    for (const [name, value] of parts) typeof value === "string" ? form.append(name, value) : form.append(name, value, "a.png");
    const server = testServer();
    const reply = await server.app.request(`http://localhost/v1/images/${path}`, { method: "POST", body: form });
    const body = (await reply.json()) as { warnings?: string[]; error?: { message: string; param: string } };
    return { ...server, status: reply.status, body };
  }

  it("take a picture's own transparency as the mask where there is none; variations do not", async () => {
    const transparent = await edit([
      ["image", await colour(hole)],
      ["prompt", "x"],
    ]);
    expect(transparent.body.warnings).toEqual([expect.stringContaining("the transparent parts are repainted")]);
    const mask = Buffer.from(String(transparent.jobs.all[0]?.request.maskImage), "base64");
    expect((await sharp(mask).stats()).channels[0]).toMatchObject({ min: 255, max: 255 });
    for (const background of ["red", { r: 9, g: 9, b: 9, alpha: 1 }]) {
      const { jobs, status } = await edit([
        ["image", await colour(background)],
        ["prompt", "x"],
      ]);
      expect([status, jobs.all[0]?.request.maskImage]).toEqual([200, undefined]);
    }
    expect((await edit([["image", await colour(hole)]], "variations")).jobs.all[0]?.request.maskImage).toBeUndefined();
  });

  it("say when a mask has other proportions", async () => {
    const { body } = await edit([
      ["image", await colour("red")],
      ["mask", await colour("white", 64, 32)],
      ["prompt", "x"],
    ]);
    expect(body.warnings).toEqual(["mask is 64x32 and image 64x64: the mask is stretched to the picture's proportions"]);
    const alike = await edit([
      ["image", await colour("red")],
      ["mask", await colour("white", 32, 32)],
      ["prompt", "x"],
    ]);
    expect(alike.body.warnings).toBeUndefined();
  });

  it("refuse a mask that leaves nothing to repaint, two masks, and a prompt that is not one text", async () => {
    const image = ["image", await colour("red")] as const;
    const white = ["mask", await colour("white")] as const;
    const cases = [
      [[image, ["prompt", "x"], ["mask", await colour("black")]], /^the mask leaves nothing to repaint/],
      [[image, ["prompt", "x"], ["mask", await colour({ r: 0, g: 0, b: 0, alpha: 1 })]], /^the mask leaves nothing to repaint/],
      [[image, ["prompt", "x"], white, white], /^2 masks were sent; expected one/],
      [[image, ["prompt", "x"], ["prompt", "y"]], /^prompt has 2 values; expected one/],
      [[image, ["prompt", await colour("red")]], /^prompt is a file; expected a text/],
      [[image], /^edits needs prompt/],
      [[image, ["prompt", "x"], ["quality", "superb"]], /^quality is "superb"; expected auto, low, medium, high, standard, hd/],
    ] as const;
    for (const [parts, message] of cases) {
      const { status, body, jobs } = await edit(parts);
      expect([status, jobs.all]).toEqual([400, []]);
      expect(body.error?.message).toMatch(message);
    }
  });
});
