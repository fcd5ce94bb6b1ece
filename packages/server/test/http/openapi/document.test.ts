import { Validator } from "@seriousme/openapi-schema-validator";
import { describe, expect, it } from "vitest";
import { documentedPath } from "../../../src/http/openapi/document.js";
import { pngFile, testServer } from "../test-server.js";
import { DOCUMENT, fieldsOf, problems, rightValues, type Schema, wrongValues } from "./schemas.js";

const operations = Object.entries(DOCUMENT.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ name: `${method.toUpperCase()} ${path}`, method, path, operation })),
);

describe("the OpenAPI document", () => {
  it("has every route of the server, and no other", () => {
    const { app } = testServer();
    const routes = app.routes.filter(({ method }) => method !== "ALL").map(({ method, path }) => `${method} ${documentedPath(path)}`);
    expect(operations.map(({ name }) => name).sort()).toEqual([...new Set(routes)].sort());
  });

  it("is a valid document of OpenAPI 3.1, by a validator of others", async () => {
    const result = await new Validator().validate(JSON.parse(JSON.stringify(DOCUMENT)));
    expect(result).toEqual({ valid: true });
  });

  it("refers to schemas that are there, uses all of them, and describes every field of a request", () => {
    const text = JSON.stringify(DOCUMENT);
    const names = Object.keys(DOCUMENT.components.schemas);
    const references = [...text.matchAll(/"#\/components\/schemas\/(\w+)"/g)].map(([, name]) => name);
    expect(new Set(references)).toEqual(new Set(names));
    for (const name of ["JobRequest", "ImageGenerations", "ImageEdits", "TaskRequest", "Txt2Img", "Img2Img"]) {
      for (const [field, schema] of Object.entries(fieldsOf(name)))
        expect(schema.description, `${name}.${field}`).toMatch(/^[A-Za-z0-9-].*\.$/);
    }
  });

  it("parameters of paths are described", () => {
    for (const { name, path, operation } of operations) {
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, word]) => word);
      const described = operation.parameters.filter((each) => each.in === "path").map((each) => each.name);
      expect(described, name).toEqual(inPath);
    }
  });

  it("names no model and no address: it is read without a key", async () => {
    const { app } = testServer({ access: { apiKeys: ["secret"] } });
    const reply = await app.request("http://localhost/openapi.json");
    const text = await reply.text();
    expect(reply.status).toBe(200);
    expect(text).not.toMatch(/secret|sharp-vae|control_v11p/);
    expect((JSON.parse(text) as { security: object[] }).security).toEqual([{ bearer: [] }, { basic: [] }]);
  });

  it("has the limits of its server", async () => {
    const { app } = testServer({ limits: { maxSteps: 33 } });
    const document = (await (await app.request("http://localhost/openapi.json")).json()) as typeof DOCUMENT;
    expect(document).toMatchObject({ "x-limits": { maxSteps: 33 } });
    expect(document.components.schemas.JobRequest).toMatchObject({ properties: { numInferenceSteps: { maximum: 33 } } });
  });
});

/** A server with a job that is done, and what stands in paths for it. */
async function serverWithJob() {
  const server = testServer();
  const send = (path: string, init?: RequestInit) => server.app.request(`http://localhost${path}`, init);
  const body = JSON.stringify({ prompt: "x", previewEvery: 1 });
  const { id } = (await (await send("/api/jobs", { method: "POST", body })).json()) as { id: string };
  await (await send(`/api/jobs/${id}/events`)).text();
  const [picture] = server.jobs.all[0]?.result?.pictures ?? [];
  const pathOf = (path: string) =>
    path.replace("/files/{id}", `/files/${picture?.id}`).replace("/api/jobs/{id}", `/api/jobs/${id}`).replace("{id}", "emoji-128");
  return { ...server, send, pathOf };
}

describe("each route", () => {
  // The page is there after a build only, and has tests of its own.
  it.each(operations.filter(({ name }) => !/^GET \/(assets\/|$)/.test(name)))(
    "$name answers its example as documented",
    async ({ method, path, operation }) => {
      const { send, pathOf, errors } = await serverWithJob();
      const example = operation.requestBody?.content["application/json"]?.example;
      const reply = await send(pathOf(path), {
        method: method.toUpperCase(),
        ...(example && { body: JSON.stringify(example), headers: { "content-type": "application/json" } }),
      });
      const text = await reply.clone().text();
      const documented = operation.responses[reply.status];
      // A route that exists for its error alone.
      if (path === "/sdapi/v1/interrogate") expect(reply.status).toBe(404);
      else expect(reply.status, text).toBeLessThan(300);
      const type = (reply.headers.get("content-type") ?? "").replace(/;.*/, "");
      expect(Object.keys(documented?.content ?? {})).toContain(type);
      if (type === "application/json") expect(problems(documented?.content?.[type]?.schema ?? {}, JSON.parse(text))).toBeUndefined();
      expect(errors).toEqual([]);
    },
  );

  it.each(operations.filter(({ operation }) => operation.requestBody))(
    "$name refuses nonsense with the documented error",
    async ({ path, operation }) => {
      const { send, pathOf } = await serverWithJob();
      const reply = await send(pathOf(path), { method: "POST", body: "nonsense" });
      expect(reply.status).toBe(400);
      expect(problems(operation.responses[400]?.content?.["application/json"]?.schema ?? {}, await reply.json())).toBeUndefined();
    },
  );

  it.each(operations.filter(({ operation }) => operation.security?.length !== 0))(
    "$name needs a key, as documented",
    async ({ method, path, operation }) => {
      const { app } = testServer({ access: { apiKeys: ["k"] } });
      const reply = await app.request(`http://localhost${path.replace("{id}", "x")}`, { method: method.toUpperCase() });
      expect(reply.status).toBe(401);
      expect(problems(operation.responses[401]?.content?.["application/json"]?.schema ?? {}, await reply.json())).toBeUndefined();
    },
  );
});

it("the events of a job are as documented", async () => {
  const { send, pathOf } = await serverWithJob();
  const make = await send("/api/jobs", { method: "POST", body: JSON.stringify({ prompt: "x", previewEvery: 1 }) });
  const { id } = (await make.json()) as { id: string };
  const text = await (await send(pathOf(`/api/jobs/${id}/events`))).text();
  const events = [...text.matchAll(/^event: (\w+)\ndata: (.*)$/gm)].map(([, event, data]) => ({
    event,
    data: JSON.parse(data ?? "") as object,
  }));
  expect(events.length).toBeGreaterThan(5);
  for (const { event, data } of events) {
    expect(data).toMatchObject({ type: event });
    expect(problems({ $ref: "#/components/schemas/JobEvent" }, data)).toBeUndefined();
  }
});

it("the events of OpenAI's streams are as documented", async () => {
  const { send } = await serverWithJob();
  const make = (path: string, body: object) =>
    send(path, { method: "POST", body: JSON.stringify({ prompt: "x", stream: true, partial_images: 1, ...body }) });
  const replies = [
    await make("/v1/images/generations", {}),
    await make("/v1/images/edits", { image: (await pngFile()).toString("base64") }),
  ];
  for (const reply of replies) {
    const events = [...(await reply.text()).matchAll(/^data: (.*)$/gm)].map(([, data]) => JSON.parse(data ?? "") as object);
    expect(events).toHaveLength(2);
    for (const data of events) expect(problems({ $ref: "#/components/schemas/ImageEvent" }, data)).toBeUndefined();
  }
});

/** Values of fields that are objects: not any of their values go together. */
const VALUES: Readonly<Record<string, readonly unknown[]>> = {
  guidanceInterval: [{ start: 0.2, stop: 0.8 }],
  freeU: [{ s1: 0.9, s2: 0.2, b1: 1.5, b2: 1.6 }],
  hires: [{ scale: 1.5 }],
};

/** Values of a field in requests: pictures where it takes pictures. */
async function valuesOf(name: string, schema: Schema): Promise<readonly unknown[]> {
  if (VALUES[name]) return VALUES[name];
  if (!/image$|^mask$|^depth_?map$/i.test(name)) return name === "model" ? ["other"] : rightValues(schema);
  const picture = (await pngFile()).toString("base64");
  return schema.anyOf ? [picture, [picture]] : [picture];
}

describe("POST /api/jobs takes what the document says", () => {
  it.each(Object.entries(fieldsOf("JobRequest")))("as %s", async (name, schema) => {
    const values = await valuesOf(name, schema);
    expect(values).not.toEqual([]);
    for (const value of values) {
      const { send } = await serverWithJob();
      const reply = await send("/api/jobs", { method: "POST", body: JSON.stringify({ prompt: "x", [name]: value }) });
      expect(reply.status, await reply.text()).toBe(202);
    }
  });

  it.each(Object.entries(fieldsOf("JobRequest")))("and nothing else as %s", async (name, schema) => {
    for (const value of wrongValues(schema)) {
      const { send } = await serverWithJob();
      const reply = await send("/api/jobs", { method: "POST", body: JSON.stringify({ prompt: "x", [name]: value }) });
      const text = await reply.text();
      expect(reply.status, `${JSON.stringify(value).slice(0, 100)}: ${text}`).toBe(400);
      expect((JSON.parse(text) as { error: { param: string } }).error.param).toMatch(new RegExp(`^${name}\\b`));
    }
  });
});

it.each(Object.entries(fieldsOf("ImageGenerations")))("POST /v1/images/generations takes %s as the document says", async (name, schema) => {
  const values = { size: ["auto", "64x32"], quality: ["auto", "low", "hd"] }[name] ?? (await valuesOf(name, schema));
  for (const value of values) {
    const { send, jobs } = await serverWithJob();
    const reply = await send("/v1/images/generations", { method: "POST", body: JSON.stringify({ prompt: "x", [name]: value }) });
    expect(reply.status, await reply.text()).toBe(200);
    expect(jobs.all).toHaveLength(2);
  }
});

it.each(["Txt2Img", "Img2Img"].flatMap((name) => Object.entries(fieldsOf(name)).map(([field, schema]) => [name, field, schema] as const)))(
  "%s takes %s as the document says",
  async (name, field, schema) => {
    // Names of what a server has are in its lists, not in the document.
    if (["string", undefined].includes(schema.type as string)) return;
    for (const value of rightValues({ maximum: 2, ...schema })) {
      if (field === "init_images") continue;
      const { send } = await serverWithJob();
      const start = name === "Img2Img" && { init_images: [(await pngFile()).toString("base64")] };
      const body = JSON.stringify({ prompt: "x", ...start, [field]: value });
      const reply = await send(`/sdapi/v1/${name.toLowerCase()}`, { method: "POST", body });
      expect(reply.status, await reply.text()).toBe(200);
    }
  },
);
