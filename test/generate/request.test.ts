import { readdirSync, readFileSync } from "node:fs";
import * as v from "valibot";
import { describe, expect, expectTypeOf, it } from "vitest";
import { ArgumentError } from "../../src/errors.js";
import { STEPS_TEXT } from "../../src/generate/default-texts.js";
import { checkRequest, GENERATE_FIELDS, type GenerateRequest, generateRequest, openingOf, runOf } from "../../src/generate/request.js";
import { seedsOf } from "../../src/generate/seeds.js";
import { Picture } from "../../src/image/picture.js";

const picture = new Picture(1, 1, new Uint8Array(3));

const WHOLE: GenerateRequest = {
  model: "owner/name",
  prompt: "a red fox",
  seed: "18446744073709551615",
  numImagesPerPrompt: 2,
  loras: [{ source: "fox.safetensors", weight: 0.8 }],
  cache: { interval: 3 },
  image: "data:image/png;base64,AAAA",
  controlnetConditioningScale: [0.5, 1],
};

describe("a request", () => {
  it("survives JSON", () => {
    expect(checkRequest(JSON.parse(JSON.stringify(WHOLE)))).toEqual(WHOLE);
    expect(v.parse(generateRequest, JSON.parse(JSON.stringify(WHOLE)))).toEqual(WHOLE);
  });

  it.each([7, "7", 7n, -1, "-1", "+7"])("takes the seed %s", (seed) => {
    expect(v.is(generateRequest, { seed })).toBe(true);
    expect(checkRequest({ seed })).toEqual({ seed });
  });

  it.each([new Uint8Array(3), new ArrayBuffer(3), new File([], "in.png"), picture, "iVBORw0KGgo="])(
    "takes a picture as bytes, file, Picture or base64",
    (image) => {
      expect(v.is(generateRequest, { image })).toBe(true);
      expect(checkRequest({ image, maskImage: image, controlImage: [image, image] })).toBeDefined();
    },
  );

  it.each([
    [{ stpes: 3 }, "stpes", /generate has no option stpes/],
    [{ steps: 3 }, "steps", /it is called numInferenceSteps/],
    [{ cfg_scale: 3 }, "cfg_scale", /it is called guidanceScale/],
    [{ numInferenceStep: 3 }, "numInferenceStep", /did you mean numInferenceSteps\?/],
    [{ constructor: 3 }, "constructor", /generate has no option constructor/],
    [JSON.parse('{ "__proto__": { "seed": 3 } }'), "__proto__", /generate has no option __proto__/],
    [{ numInferenceSteps: 0 }, "numInferenceSteps", /numInferenceSteps is 0; expected a whole number, at least 1/],
    [{ numInferenceSteps: "20" }, "numInferenceSteps", /is "20" \(a string\); expected a whole number/],
    [{ strength: 2 }, "strength", /strength is 2; expected a number from 0 to 1/],
    [{ guidanceScale: Number.NaN }, "guidanceScale", /guidanceScale is NaN/],
    [{ seed: 1.5 }, "seed", /seed is 1.5 .*; expected a whole number from 0 to 2\^64 - 1/],
    [{ seed: "-18446744073709551616" }, "seed", /seed is/],
    [{ device: "tpu" }, "device", /device is "tpu"; expected one of auto, cpu/],
    [{ image: "in.png" }, "image", /image is "in\.png".*; expected the bytes of an image file/],
    [{ image: "https://example.com/in.png" }, "image", /expected the bytes of an image file/],
    [{ variant: "../x" }, "variant", /variant is "\.\.\/x"; expected a word/],
    [{ model: "" }, "model", /model is ""; expected a folder, a file or a hub id/],
    [{ loras: [{ source: "a" }, { source: "b", weigth: 1 }] }, "loras[1].weigth", /loras\[1\]\.weigth; did you mean loras\[1\]\.weight\?/],
    [{ loras: [{ weight: "1" }] }, "loras[0].weight", /loras\[0\]\.weight is "1"/],
    [{ embeddings: [{ token: "x" }] }, "embeddings[0].source", /generate needs embeddings\[0\]\.source/],
    [{ cache: { interval: 0.5 } }, "cache.interval", /cache\.interval is 0\.5/],
    [{ cacheDir: "/tmp" }, "cacheDir", /generate has no option cacheDir/],
  ])("with a mistake is an ArgumentError that names it: %j", (request, argument, message) => {
    expect(v.is(generateRequest, request)).toBe(argument.includes(".") ? v.is(generateRequest, request) : false);
    expect(() => checkRequest(request)).toThrow(message);
    try {
      checkRequest(request);
    } catch (error) {
      expect(error).toBeInstanceOf(ArgumentError);
      expect((error as ArgumentError).argument).toBe(argument);
    }
  });

  it.each([undefined, null, "a fox", [], 5])("is an object, not %j", (request) => {
    expect(() => checkRequest(request)).toThrow(/expected an object with options/);
  });

  it("has the schema's type", () => {
    expectTypeOf<v.InferOutput<typeof generateRequest>>().toEqualTypeOf<GenerateRequest>();
    expectTypeOf<v.InferInput<typeof generateRequest>>().toEqualTypeOf<GenerateRequest>();
  });
});

describe("the schema's descriptions", () => {
  it("are the doc comments of the interface", () => {
    const folder = new URL("../../src/generate/", import.meta.url);
    const sources = readdirSync(folder).filter((name) => name.endsWith("-request.ts"));
    const source = sources.map((name) => readFileSync(new URL(name, folder), "utf8")).join("\n");
    const comments = [...source.matchAll(/ {2}\/\*\*(.*?)\*\/\s+readonly (\w+)\?:/gs)]
      .filter(([, , name = ""]) => Object.hasOwn(GENERATE_FIELDS, name))
      .map(([, comment = "", name = ""]) => [name, comment.replace(/\s*\n\s*\*/g, "").trim()]);
    const descriptions = Object.entries(GENERATE_FIELDS).map(([name, { description }]) => [name, description]);
    expect(Object.fromEntries(comments)).toEqual(Object.fromEntries(descriptions));
  });

  it("state the defaults of the families", () => {
    expect(STEPS_TEXT).toBe("50; LCM 4; DDPM 1000; consistency 1; score-based 2000; embedded checkpoint 20");
  });
});

describe("openingOf and runOf", () => {
  it("divide a request between what is loaded and what is run", () => {
    const { model, loras, ...run } = WHOLE;
    expect(openingOf(WHOLE)).toEqual({ model, loras });
    expect(runOf(WHOLE)).toEqual(run);
  });

  it("load the LoRAs of the prompt's tags after those of the request", () => {
    const request = { ...WHOLE, prompt: "a <lora:ink:0.5>red fox <lora:line:1:0>" };
    expect(openingOf(request).loras).toEqual([
      { source: "fox.safetensors", weight: 0.8 },
      { name: "ink", weight: 0.5 },
      { name: "line", weight: 1, unetWeight: 0 },
    ]);
  });

  it("give equal texts for requests that can share a workflow", () => {
    const key = (request: GenerateRequest) => JSON.stringify(openingOf(request));
    expect(key({ model: "a", prompt: "x", seed: 1n })).toBe(key({ model: "a", prompt: "y", width: 64 }));
    expect(key({ model: "a", prompt: "<lora:fox>" })).not.toBe(key({ model: "a", prompt: "" }));
  });
});

describe("the seeds of a request", () => {
  it("are the first seed and the numbers after it", () => {
    expect(seedsOf({ seed: "7", numImagesPerPrompt: 3 })).toEqual([7n, 8n, 9n]);
    expect(seedsOf({ seed: -2 })).toEqual([2n ** 64n - 2n]);
  });

  it("are random by default and for -1", () => {
    for (const seed of [undefined, -1, "-1", -1n]) expect(seedsOf({ seed })[0]).toBeLessThan(2n ** 32n);
  });

  it("end at 2^64 - 1", () => {
    expect(() => seedsOf({ seed: 2n ** 64n - 1n, numImagesPerPrompt: 2 })).toThrow(/the last picture's seed would be beyond 2\^64 - 1/);
  });
});
