import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, generateImage } from "ai";
import OpenAI, { toFile } from "openai";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type RunningServer, startServer } from "../../src/index.js";
import { pngFile } from "./test-server.js";

const KEY = "a-key";

describe("real clients of OpenAI's API, with real pictures", () => {
  let folder: string;
  let server: RunningServer;
  let client: { baseURL: string; apiKey: string };
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "darkroom-clients-"));
    server = await startServer({ folder, port: 0, apiKeys: [KEY], offer: { runtime: { device: "cpu" } } });
    client = { baseURL: `${server.address}/v1`, apiKey: KEY };
  });
  afterAll(async () => {
    await server.close();
    await rm(folder, { recursive: true, force: true });
  });

  const sizeOf = async (file: Uint8Array) => {
    const { width, height, format } = await sharp(file).metadata();
    return `${format} ${width}x${height}`;
  };
  const jobs = async () => {
    const reply = await fetch(`${server.address}/api/jobs`, { headers: { authorization: `Bearer ${KEY}` } });
    return ((await reply.json()) as { jobs: { state: string; request: { prompt: string } }[] }).jobs;
  };

  describe("@ai-sdk/openai-compatible", () => {
    const model = (name = "emoji-128", more = {}) => createOpenAICompatible({ name: "darkroom", ...client, ...more }).imageModel(name);
    const options = (fields: Record<string, string | number>) => ({ darkroom: fields });

    it("makes pictures with fields of ours", async () => {
      const providerOptions = options({ steps: 2, seed: 7, negative_prompt: "blue" });
      const call = { model: model(), prompt: "a panda", size: "96x64" as const, providerOptions };
      const { images, warnings } = await generateImage({ ...call, n: 2 });
      for (const { uint8Array } of images) expect(await sizeOf(uint8Array)).toBe("png 96x64");
      expect(images[1]?.base64).not.toBe(images[0]?.base64);
      expect(warnings).toEqual([]);
      expect((await generateImage(call)).image.base64).toBe(images[0]?.base64);
    });

    it("changes pictures, with and without a mask", async () => {
      const images = [await pngFile(128, 128)];
      const call = { model: model(), providerOptions: options({ steps: 2, seed: 1 }) };
      const whole = await generateImage({ ...call, prompt: { text: "in snow", images } });
      const hole = await sharp(images[0]).ensureAlpha(0).png().toBuffer();
      const masked = await generateImage({ ...call, prompt: { text: "in snow", images, mask: hole } });
      for (const { image } of [whole, masked]) expect(await sizeOf(image.uint8Array)).toBe("png 128x128");
      expect(masked.image.base64).not.toBe(whole.image.base64);
    });

    it("has errors that say what is wrong, and are not tried again", async () => {
      const errorOf = async (work: Promise<unknown>) => {
        const error = await work.catch((thrown: unknown) => thrown);
        return APICallError.isInstance(error) ? error : expect.fail(`not an APICallError: ${error}`);
      };
      const unknown = await errorOf(generateImage({ model: model("no-such-model"), prompt: "x" }));
      expect(unknown).toMatchObject({ statusCode: 404, isRetryable: false, message: expect.stringContaining("emoji-128") });
      const steps = await errorOf(generateImage({ model: model(), prompt: "x", providerOptions: options({ steps: 0 }) }));
      expect(steps).toMatchObject({ statusCode: 400, isRetryable: false, message: expect.stringMatching(/^steps is 0/) });
      const key = await errorOf(generateImage({ model: model("emoji-128", { apiKey: "wrong" }), prompt: "x" }));
      expect(key).toMatchObject({ statusCode: 401, isRetryable: false });
    });

    it("cancels its job when it aborts", async () => {
      const abort = new AbortController();
      const call = { model: model(), prompt: "aborted", abortSignal: abort.signal, providerOptions: options({ steps: 900 }) };
      const ended = expect(generateImage(call)).rejects.toThrow(/abort/);
      const stateOf = async () => (await jobs()).find(({ request }) => request.prompt === "aborted")?.state;
      await expect.poll(stateOf, { timeout: 30_000 }).toBe("running");
      abort.abort();
      await ended;
      await expect.poll(stateOf, { timeout: 30_000 }).toBe("cancelled");
    });
  });

  describe("@ai-sdk/openai", () => {
    it("makes and changes pictures with the names of models that it has built in", async () => {
      const model = createOpenAI(client).imageModel("gpt-image-1");
      const providerOptions = { openai: { quality: "low", outputFormat: "webp" } };
      const made = await generateImage({ model, prompt: "a panda", size: "64x64", providerOptions });
      expect(await sizeOf(made.image.uint8Array)).toBe("webp 64x64");
      const images = [await pngFile(128, 128), await pngFile(64, 64)];
      const changed = await generateImage({ model, prompt: { text: "in snow", images } });
      expect(await sizeOf(changed.image.uint8Array)).toBe("png 128x128");
    });
  });

  describe("openai", () => {
    const openai = () => new OpenAI({ ...client, maxRetries: 0 });

    it("streams unfinished pictures and the finished one", async () => {
      const types: string[] = [];
      const stream = await openai().images.generate({ prompt: "a panda", stream: true, partial_images: 2, size: "64x64" as never });
      for await (const event of stream) {
        types.push(event.type);
        expect(Buffer.from(event.b64_json, "base64").length).toBeGreaterThan(100);
      }
      expect(types).toEqual(["image_generation.partial_image", "image_generation.partial_image", "image_generation.completed"]);
    });

    it("gets the address of a picture where it asks for it", async () => {
      const { data } = await openai().images.generate({
        prompt: "a panda",
        response_format: "url",
        output_format: "jpeg",
        steps: 2,
      } as never);
      const reply = await fetch(data?.[0]?.url ?? "");
      expect(reply.headers.get("content-type")).toBe("image/jpeg");
      expect(await sizeOf(new Uint8Array(await reply.arrayBuffer()))).toBe("jpeg 128x128");
    });

    it("sends pictures as files, and lists models", async () => {
      const image = await toFile(await pngFile(128, 128), "fox.png", { type: "image/png" });
      const { data } = await openai().images.edit({ image, prompt: "in snow", n: 2, steps: 2 } as never);
      expect(data).toHaveLength(2);
      expect((await openai().models.list()).data.map(({ id }) => id)).toEqual(["emoji-128"]);
    });
  });
});
