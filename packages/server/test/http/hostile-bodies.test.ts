import { describe, expect, it } from "vitest";
import { FAKE_MODELS, testServer } from "./test-server.js";

const DOORS = ["/api/jobs", "/v1/images/generations", "/sdapi/v1/txt2img", "/sdapi/v1/options", "/sdapi/v1/extra-single-image", "/hf"];

async function post(path: string, body: string | Uint8Array<ArrayBuffer>, server = testServer()) {
  const reply = await server.app.request(`http://localhost${path}`, { method: "POST", body });
  return { status: reply.status, text: await reply.text(), ...server };
}

describe.each(DOORS)("%s", (door) => {
  it.each([
    ["lists", "[".repeat(1_000_000)],
    ["lists with an end", `${"[".repeat(100_000)}${"]".repeat(100_000)}`],
    ["objects", '{"a":'.repeat(100_000)],
  ])("refuses %s that are nested without end", async (_, nested) => {
    for (const field of ["prompt", "size", "model", "styles", "alwayson_scripts", "image", "foo"]) {
      const { status, text, errors } = await post(door, `{"prompt":"x","inputs":"x","${field}":${nested}}`);
      expect([status, errors]).toEqual([400, []]);
      expect(text).toContain("the body has more than 64 lists and objects in one another");
    }
  });

  it.each([
    ["a list", `{"prompt":"x","a":[${"1,".repeat(20_000)}1]}`],
    ["an object", JSON.stringify(Object.fromEntries(Array.from({ length: 20_001 }, (_, i) => [`a${i}`, 1])))],
  ])("refuses %s of more values than a request can have", async (_, body) => {
    const { status, text } = await post(door, body);
    expect(status).toBe(400);
    expect(text).toContain("the body has more than 20000 values");
  });

  it("repeats no long name or value in its error", async () => {
    const long = "a".repeat(1_000_000);
    const fields = [
      "model",
      "scheduler",
      "sampler_name",
      "seed",
      "vae",
      "size",
      "quality",
      "format",
      "upscaler_1",
      "samples_format",
      "sd_vae",
    ];
    for (const field of fields) {
      const { text, jobs } = await post(door, JSON.stringify({ prompt: "x", inputs: "x", image: "x", [field]: long }));
      if (jobs.all.length === 0) expect(text.length, field).toBeLessThan(10_000);
    }
    const { text, jobs } = await post(door, JSON.stringify({ prompt: "x", inputs: "x", [long]: 1, parameters: { [long]: 1 } }));
    if (jobs.all.length === 0) expect(text.length).toBeLessThan(10_000);
  });

  it("has no opinion on names that objects have by themselves", async () => {
    for (const name of ["__proto__", "constructor", "prototype", "toString", "hasOwnProperty"]) {
      const nested = { prompt: "evil", width: 8, isAdmin: true, toJSON: 1 };
      const body = `{"prompt":"x","inputs":"x","${name}":${JSON.stringify(nested)},"parameters":{},"override_settings":{"${name}":{}}}`;
      const { status, errors, jobs } = await post(door, body);
      expect(status).toBeLessThan(500);
      expect(errors).toEqual([]);
      for (const { request } of jobs.all) expect([request.prompt, request.width]).toEqual(["x", undefined]);
      expect(({} as Record<string, unknown>).isAdmin).toBeUndefined();
    }
  });

  it.each(["1e999", "-1e999", "1e-400", "99999999999999999999", "NaN", "Infinity", "0x10", "00", "1_0"])(
    "survives the number %s",
    async (number) => {
      for (const field of [
        "numInferenceSteps",
        "steps",
        "width",
        "seed",
        "n",
        "cfg_scale",
        "quality",
        "previewEvery",
        "mask_blur",
        "upscaling_resize",
      ]) {
        const { status, errors, text } = await post(
          door,
          `{"prompt":"x","inputs":"x","${field}":${number},"parameters":{"${field}":${number}}}`,
        );
        expect(status, text).toBeLessThan(500);
        expect(errors).toEqual([]);
      }
    },
  );

  it.each(["\\ud800", "\\udc00 a", "a\\u0000b", "\\u202e", "\\ufffe", "\\u001b[31m"])("survives the letters %s", async (letters) => {
    for (const field of ["prompt", "inputs", "model", "sampler_name", "force_task_id", "seed", "size", "\\ud800"]) {
      const { status, errors, text } = await post(door, `{"prompt":"x","inputs":"x","${field}":"${letters}"}`);
      expect(status, text).toBeLessThan(500);
      expect(errors).toEqual([]);
    }
  });

  it("survives bytes that are no text", async () => {
    const { status, errors } = await post(door, new Uint8Array(Buffer.from('{"prompt":"\xff\xfe","inputs":"\x80"}', "latin1")));
    expect(status).toBeLessThan(500);
    expect(errors).toEqual([]);
  });
});

it("brackets, commas and quotes in texts do not count", async () => {
  for (const prompt of ["[".repeat(5000), "{".repeat(5000), '"\\'.repeat(2000), ",".repeat(9000), "\\", '\\"[[[', "\u{1f98a}["]) {
    const { status, jobs, text } = await post("/api/jobs", JSON.stringify({ prompt, negativePrompt: "],}" }));
    expect(status, text).toBe(202);
    expect(jobs.all[0]?.request.prompt).toBe(prompt);
  }
});

it.each(["__proto__", "constructor", "toString"])(
  "our own API refuses the field %s by its name, and takes nothing from it",
  async (name) => {
    const { status, text, jobs } = await post("/api/jobs", `{"prompt":"x","${name}":{"image":"x","width":8}}`);
    expect([status, JSON.parse(text).error.param]).toEqual([400, name]);
    expect(jobs.all).toEqual([]);
  },
);

it.each(["__proto__", "constructor"])("AUTOMATIC1111's API refuses samples_format %s, and later requests are as before", async (name) => {
  const server = testServer();
  expect((await post("/sdapi/v1/options", `{"samples_format":"${name}"}`, server)).status).toBe(422);
  expect((await post("/sdapi/v1/txt2img", '{"prompt":"x"}', server)).status).toBe(200);
});

it.each([
  ["/api/jobs", { width: 16384 }],
  ["/api/jobs", { height: 16384 }],
  ["/v1/images/generations", { prompt: "x", width: 16384 }],
  ["/sdapi/v1/txt2img", { width: 16384 }],
  ["/hf", { parameters: { height: 16384 } }],
])("one side alone is not beyond the limit of pixels: %s %j", async (door, fields) => {
  const models = { model: async () => ({ name: "emoji-128", size: 1024 }) };
  const server = testServer({ models: { ...FAKE_MODELS, ...models } });
  const { status, text, jobs } = await post(
    door,
    JSON.stringify({ ...(door === "/api/jobs" ? { prompt: "x" } : { inputs: "x" }), ...fields }),
    server,
  );
  expect(status, text).toBe(400);
  expect(text).toContain("16777216 pixels");
  expect(text).toContain("limit: maxPixels");
  expect(jobs.all).toEqual([]);
});

it.each([
  ["/api/jobs", { prompt: "x", scheduler: "eulr" }, "did you mean euler?"],
  ["/v1/images/generations", { prompt: "x", scheduler: "eulr" }, "did you mean euler?"],
  ["/hf", { inputs: "x", parameters: { scheduler: "eulr" } }, "did you mean euler?"],
])("%s refuses an unknown scheduler before there is a job", async (door, body, message) => {
  const { status, text, jobs } = await post(door, JSON.stringify(body));
  expect([status, jobs.all]).toEqual([400, []]);
  expect(text).toContain(message);
});
