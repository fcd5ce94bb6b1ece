import { describe, expect, it } from "vitest";
import type { Models } from "../../../src/http/models.js";
import { FAKE_MODELS, testServer } from "../test-server.js";
import { recordedRequests, requestOf } from "./recordings.js";

const requests = recordedRequests(["sillytavern", "webuiapi", "open-webui", "librechat"], /^\/(sdapi|controlnet)\//);

const models: Models = { ...FAKE_MODELS };

/** What clients cannot do without, by path, as required-fields.json has it. */
const REQUIRED: Readonly<Record<string, (reply: unknown) => void>> = {
  "/sdapi/v1/txt2img": expectPictures,
  "/sdapi/v1/img2img": expectPictures,
  "/sdapi/v1/options": (reply) =>
    expect(reply === null || (reply as { sd_model_checkpoint: string }).sd_model_checkpoint).not.toBe(undefined),
  "/sdapi/v1/progress": (reply) => expect(reply).toMatchObject({ progress: 0, state: { job_count: 0 } }),
  "/sdapi/v1/sd-models": (reply) => expectEach(reply, "title", "model_name"),
  "/sdapi/v1/samplers": (reply) => expectEach(reply, "name"),
  "/sdapi/v1/schedulers": (reply) => expectEach(reply, "name"),
  "/sdapi/v1/upscalers": (reply) => expectEach(reply, "name"),
  "/sdapi/v1/latent-upscale-modes": (reply) => expectEach(reply, "name"),
  "/sdapi/v1/sd-vae": (reply) => expectEach(reply, "model_name"),
  "/sdapi/v1/loras": (reply) => expectEach(reply, "name"),
  "/sdapi/v1/scripts": (reply) => expect((reply as { txt2img: string[] }).txt2img).toContain("controlnet m2m"),
  "/sdapi/v1/extra-single-image": (reply) => expect((reply as { image: string }).image).toMatch(/^iVBORw0KGgo/),
  "/sdapi/v1/png-info": (reply) => expect(reply).toMatchObject({ info: expect.any(String), items: {}, parameters: {} }),
};

function expectEach(reply: unknown, ...fields: string[]): void {
  expect((reply as object[]).length).toBeGreaterThan(0);
  for (const entry of reply as Record<string, unknown>[]) for (const field of fields) expect(entry[field]).toEqual(expect.any(String));
}

function expectPictures(reply: unknown): void {
  const { images, info, parameters } = reply as { images: string[]; info: string; parameters: object };
  for (const image of images) expect(image).toMatch(/^iVBORw0KGgo/);
  const read = JSON.parse(info) as Record<string, unknown> & { all_seeds: number[]; infotexts: string[]; index_of_first_image: number };
  expect(read).toMatchObject({ seed: read.all_seeds[0], width: expect.any(Number), height: expect.any(Number), index_of_first_image: 0 });
  expect(read.infotexts).toHaveLength(images.length);
  expect(read.all_seeds).toHaveLength(images.length);
  expect(parameters).not.toHaveProperty("auth");
}

describe("recorded requests of AUTOMATIC1111's clients", () => {
  it.each(requests)("%s is answered with what the client needs", async (_, recorded) => {
    const { app, errors } = testServer({ models });
    const reply = await app.request(requestOf(recorded));
    const text = await reply.text();
    expect(reply.status, text).toBe(200);
    const path = recorded.path.replace(/\?.*/, "");
    REQUIRED[path]?.(JSON.parse(text));
    const { batch_size: pictures } = recorded.json ?? {};
    if (/2img$/.test(path)) expect((JSON.parse(text) as { images: string[] }).images).toHaveLength(Number(pictures ?? 1));
    expect(errors).toEqual([]);
  });

  it("are there", () => {
    expect(requests.length).toBeGreaterThan(50);
  });

  it("find the model that options tell among the models, by its title", async () => {
    const { app } = testServer({ models });
    const { sd_model_checkpoint: model } = (await (await app.request("/sdapi/v1/options")).json()) as { sd_model_checkpoint: string };
    const titles = (await (await app.request("/sdapi/v1/sd-models")).json()) as { title: string }[];
    expect(titles.map(({ title }) => title)).toContain(model);
  });
});
