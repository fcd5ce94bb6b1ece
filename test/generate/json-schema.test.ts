import { toJsonSchema } from "@valibot/to-json-schema";
import { describe, expect, it } from "vitest";
import { GENERATE_FIELDS, generateRequest } from "../../src/generate/request.js";

type Json = { readonly [key: string]: unknown };

/** The schema of a property. */
function propertyOf(schema: unknown, name: string): Json {
  return (schema as { readonly properties: Readonly<Record<string, Json>> }).properties[name] ?? expect.fail(`no property ${name}`);
}

const KEYWORDS: Readonly<Record<string, string>> = {
  $schema: "string",
  anyOf: "object",
  description: "string",
  enum: "object",
  items: "object",
  maximum: "number",
  minItems: "number",
  minLength: "number",
  minimum: "number",
  pattern: "string",
  properties: "object",
  required: "object",
  type: "string",
};

function expectKeywords({ additionalProperties, propertyNames, ...schema }: Json): void {
  // The schema of a record's values; false for an object whose fields are all known.
  expect(["undefined", "boolean", "object"]).toContain(typeof additionalProperties);
  if (propertyNames !== undefined) expect(propertyNames).toEqual({ type: "string" });
  for (const [keyword, value] of Object.entries(schema)) expect(typeof value, keyword).toBe(KEYWORDS[keyword]);
  const {
    properties = {},
    items,
    anyOf = [],
  } = schema as { properties?: Readonly<Record<string, Json>>; items?: Json; anyOf?: readonly Json[] };
  for (const inner of [...Object.values(properties), ...anyOf, ...(items ? [items] : [])]) expectKeywords(inner);
}

describe.each([
  ["JSON Schema", "draft-07"],
  ["OpenAPI", "openapi-3.0"],
] as const)("%s of a request", (_, target) => {
  const schema = toJsonSchema(generateRequest, { target });

  it("is an object with every option, each described, and nothing else", () => {
    expect(schema).toMatchObject({ type: "object", additionalProperties: false, required: [] });
    expect(Object.keys(schema.properties ?? {})).toEqual(Object.keys(GENERATE_FIELDS));
    for (const [name, { description }] of Object.entries(GENERATE_FIELDS)) {
      expect(propertyOf(schema, name).description, name).toBe(description);
      expect(description).toMatch(/^[A-Za-z<].*\.$/);
    }
  });

  it("states ranges and choices", () => {
    expect(propertyOf(schema, "numInferenceSteps")).toMatchObject({ type: "integer", minimum: 1 });
    expect(propertyOf(schema, "strength")).toMatchObject({ type: "number", minimum: 0, maximum: 1 });
    expect(propertyOf(schema, "numImagesPerPrompt")).toMatchObject({ type: "integer", minimum: 1, maximum: 10_000 });
    expect(propertyOf(schema, "device").enum).toEqual(["auto", "cpu", "webgpu", "cuda", "coreml", "dml", "wasm"]);
    expect(propertyOf(schema, "variant").pattern).toBe("^[\\w.-]+$");
  });

  it("has pictures and sources as texts, seeds as integers or texts, and lists beside single values", () => {
    expect(propertyOf(schema, "maskImage").type).toBe("string");
    expect(propertyOf(schema, "image").anyOf).toMatchObject([{ type: "string" }, { type: "array", items: { type: "string" } }]);
    expect(propertyOf(schema, "model")).toMatchObject({ type: "string", minLength: 1 });
    expect(propertyOf(schema, "seed").anyOf).toEqual([{ type: "integer" }, { type: "string" }]);
    expect(propertyOf(schema, "controlImage").anyOf).toMatchObject([{ type: "string" }, { type: "array", items: { type: "string" } }]);
  });

  it("describes LoRAs, embeddings and the cache in full", () => {
    const loras = propertyOf(schema, "loras");
    expect(loras).toMatchObject({ type: "array", items: { type: "object", additionalProperties: false, required: [] } });
    expect(Object.keys((loras.items as { properties: Json }).properties)).toEqual(["source", "name", "weight", "unetWeight"]);
    expect(propertyOf(schema, "embeddings").items).toMatchObject({ required: ["source"] });
    expect(propertyOf(schema, "cache")).toMatchObject({ type: "object", required: [], additionalProperties: false });
    expect(propertyOf(propertyOf(schema, "cache"), "threshold")).toMatchObject({ type: "number", minimum: 0 });
    expect(propertyOf(propertyOf(schema, "cache"), "interval")).toMatchObject({
      type: "integer",
      minimum: 1,
      description: expect.any(String),
    });
  });

  it("is JSON, of keywords that every version of JSON Schema and OpenAPI has", () => {
    expect(JSON.parse(JSON.stringify(schema))).toEqual(schema);
    expectKeywords(schema as Json);
  });
});
