import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { camelCaseKeys, readConfig, readJson } from "../../src/checkpoint/config.js";
import { camelCase, snakeCase } from "../../src/letter-case.js";
import { openFolder } from "../../src/platform/node/platform.js";
import { checkpointError } from "../helpers/errors.js";
import { temporaryFolder } from "../helpers/temporary.js";

const read = (content: unknown) => readJson(openFolder(temporaryFolder({ "config.json": content })), "config.json");

describe("camelCaseKeys", () => {
  it("converts keys at every depth and leaves values alone", () => {
    const json = { cross_attention_dim: 768, down_block_types: ["cross_attn"], added_cond: { text_time: [{ proj_dim: 1 }] } };
    expect(camelCaseKeys(json)).toEqual({
      crossAttentionDim: 768,
      downBlockTypes: ["cross_attn"],
      addedCond: { textTime: [{ projDim: 1 }] },
    });
  });

  it("keeps the underscores in front", () => {
    expect(camelCaseKeys({ _class_name: "PNDMScheduler", _diffusers_version: "0.6.0" })).toEqual({
      _className: "PNDMScheduler",
      _diffusersVersion: "0.6.0",
    });
  });

  it("converts words of one letter", () => {
    expect(camelCase("a_b_c_2_d")).toBe("aBC2D");
  });

  it("takes a key __proto__ as a key like any other", () => {
    const converted = camelCaseKeys(JSON.parse('{"__proto__": {"sample_size": 64}}'));
    expect(Object.keys(converted)).toEqual(["__proto__"]);
    expect(Object.getPrototypeOf(converted)).toBe(Object.prototype);
  });
});

describe("snakeCase", () => {
  it.each(["cross_attention_dim", "_class_name", "text_encoder_2", "prompt_embeds", "use_fp16", "s_noise", "eta"])(
    "gives %s back",
    (key) => {
      expect(snakeCase(camelCase(key))).toBe(key);
    },
  );
});

describe("readJson", () => {
  it("reads an object with its keys as they are", async () => {
    expect(await read('{"sample_size": 64}')).toEqual({ sample_size: 64 });
  });

  it("reads the infinities and NaN that Python writes", async () => {
    const json = await read('{"lambda_min_clipped": -Infinity, "a": [Infinity, NaN], "b": "NaN and -Infinity", "c": "\\"Infinity"}');
    expect(json).toEqual({
      lambda_min_clipped: Number.NEGATIVE_INFINITY,
      a: [Number.POSITIVE_INFINITY, Number.NaN],
      b: "NaN and -Infinity",
      c: '"Infinity',
    });
  });

  it("reads a file that begins with a byte order mark", async () => {
    expect(await read("\ufeff{}")).toEqual({});
  });

  it("gives back every object that JSON can hold", async () => {
    const folder = temporaryFolder();
    await fc.assert(
      fc.asyncProperty(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 4 })), async (json) => {
        writeFileSync(join(folder, "a.json"), JSON.stringify(json));
        expect(await readJson(openFolder(folder), "a.json")).toEqual(JSON.parse(JSON.stringify(json)));
      }),
      { numRuns: 100 },
    );
  });

  it("names a missing file", async () => {
    const error = await checkpointError(readJson(openFolder(temporaryFolder()).open("unet"), "config.json"));
    expect(error.message).toMatch(/unet\/config\.json does not exist/);
  });

  it.each([
    ["a Git LFS pointer", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", /Git LFS pointer/, /git lfs pull/],
    ["a web page", "<!DOCTYPE html><html>", /web page/, /resolve/],
    ["nothing", "", /the file is empty/, /download/],
    ["half an object", '{"sample_size": 6', /is not JSON/, /download/],
    ["an endless string", '{"a', /is not JSON/, /download/],
    ["bytes that are not UTF-8", Buffer.from([0x7b, 0xff, 0x7d]), /is not JSON/, /download/],
    ["Python's words outside JSON's grammar", '{"a": NaNs}', /is not JSON/, /download/],
  ])("says of %s what it is", async (_, content, message, hint) => {
    const error = await checkpointError(read(content));
    expect(error.message).toMatch(message);
    expect(error.message).toMatch(/config\.json is not JSON/);
    expect(error.hint).toMatch(hint);
  });

  it.each([
    ["[1]", /holds an array/],
    ["null", /holds null/],
    ['"text"', /holds the string "text"/],
    ["NaN", /holds the number/],
  ])("refuses %s, which is not an object", async (content, message) => {
    expect((await checkpointError(read(content))).message).toMatch(message);
  });

  it("refuses a file above the limit unread", async () => {
    expect((await checkpointError(read(`{"a":"${"x".repeat(10_000_000)}"}`))).message).toMatch(/at most 10000000/);
  });

  it("refuses endless nesting", async () => {
    const nested = `{"a":${"[".repeat(4_000_000)}`;
    expect((await checkpointError(read(nested))).message).toMatch(/nested more than 64 levels/);
  });

  it("is not slowed down by quotes without end", async () => {
    await checkpointError(read(`{"a": NaN, ${'\\"'.repeat(1_000_000)}`));
  });
});

describe("readConfig", () => {
  it("converts the keys", async () => {
    const folder = openFolder(temporaryFolder({ "scheduler_config.json": '{"lambda_min_clipped": -Infinity}' }));
    expect(await readConfig(folder, "scheduler_config.json")).toEqual({ lambdaMinClipped: Number.NEGATIVE_INFINITY });
  });
});
