import { describe, expect, it } from "vitest";
import { DEFAULT_LIMITS } from "../../src/http/limits.js";
import { optionSchemas } from "../../src/http/openapi/option-schemas.js";
import { camelCase, snakeCase } from "../../src/http/snake-case.js";

describe("snakeCase", () => {
  it.each([
    ["guidanceScale", "guidance_scale"],
    ["prompt2", "prompt_2"],
    ["negativePrompt3", "negative_prompt_3"],
  ])("names %s as diffusers does: %s", (option, name) => {
    expect(snakeCase(option)).toBe(name);
  });

  it("is undone by camelCase, for every option", () => {
    const options = Object.keys(optionSchemas(DEFAULT_LIMITS));
    expect(options.map(snakeCase).map(camelCase)).toEqual(options);
  });
});
