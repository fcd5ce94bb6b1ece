import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatParameters, parseParameters } from "../../src/image/parameters.js";

const settings = { Steps: "20", Sampler: "Euler a", "CFG scale": "7.5", Seed: "123", Size: "512x512" };

describe("formatParameters", () => {
  it("writes prompt, negative prompt and settings on separate lines", () => {
    expect(formatParameters({ prompt: "a red fox", negativePrompt: "blurry", settings })).toBe(
      "a red fox\nNegative prompt: blurry\nSteps: 20, Sampler: Euler a, CFG scale: 7.5, Seed: 123, Size: 512x512",
    );
  });

  it("leaves an empty negative prompt out", () => {
    expect(formatParameters({ prompt: "a fox", negativePrompt: "", settings }).split("\n")).toHaveLength(2);
  });

  it("quotes values with commas, colons and newlines as JSON", () => {
    const text = formatParameters({ prompt: "fox", negativePrompt: "", settings: { ...settings, Model: 'a, b: "c"\nd' } });
    expect(text).toContain('Model: "a, b: \\"c\\"\\nd"');
  });

  it("repeats a prompt in quotes if its lines look like other parts of the text", () => {
    const text = formatParameters({ prompt: "fox\nNegative prompt: not one", negativePrompt: "", settings });
    expect(text).toContain('Prompt: "fox\\nNegative prompt: not one"');
  });
});

describe("parseParameters", () => {
  it("reads the example in AUTOMATIC1111's source", () => {
    const text = `girl with an artist's beret, ((eyeshadow)), (coquettish), detailed, intricate
Negative prompt: ugly, fat, (((deformed))), [blurry]
messy drawing
Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 965400086, Size: 512x512, Model hash: 45dee52b`;
    expect(parseParameters(text)).toEqual({
      prompt: "girl with an artist's beret, ((eyeshadow)), (coquettish), detailed, intricate",
      negativePrompt: "ugly, fat, (((deformed))), [blurry]\nmessy drawing",
      settings: { Steps: "20", Sampler: "Euler a", "CFG scale": "7", Seed: "965400086", Size: "512x512", "Model hash": "45dee52b" },
    });
  });

  it("reads a text without settings as a prompt", () => {
    expect(parseParameters("a fox, size: big")).toEqual({ prompt: "a fox, size: big", negativePrompt: "", settings: {} });
  });

  it("reads the settings that AUTOMATIC1111's own expression finds", () => {
    const pattern = /\s*([\p{L}\p{N}_][\p{L}\p{N}_ \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)/gu;
    const piece = fc.constantFrom(
      "Steps",
      "a",
      "é",
      "🦊",
      "1",
      " ",
      "\t",
      ":",
      ": ",
      ",",
      ", ",
      '"',
      '\\"',
      "\\",
      "-",
      "/",
      "_",
      "Size: 1x1, ",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        const line = `x${pieces.join("")}, Aa: 1, Bb: 2, Cc: 3`;
        const found = new Map([...line.matchAll(pattern)].map(([, name = "", value = ""]) => [name, value]));
        const { settings } = parseParameters(line);
        expect(Object.keys(settings)).toEqual(Object.keys(Object.fromEntries(found)));
        for (const [name, value] of found) if (!value.startsWith('"')) expect(settings[name]).toBe(value);
      }),
      { numRuns: 500 },
    );
  });

  it("gives back what was formatted, whatever the prompts and values", () => {
    const awkward = fc.constantFrom(
      "Negative prompt:",
      "\n",
      " ",
      ",",
      ":",
      '"',
      "\\",
      "\r",
      "\t",
      "Steps: 1, Seed: 2, Size: 3",
      "狐狸",
      "é",
      "🦊",
    );
    const text = fc.array(fc.oneof(awkward, fc.string({ unit: "binary" })), { maxLength: 8 }).map((parts) => parts.join(""));
    const name = fc.stringMatching(/^[A-Za-z][A-Za-z0-9_ \-/]+$/).filter((key) => key !== "Prompt" && key !== "Negative prompt");
    const others = fc.dictionary(name, text, { maxKeys: 4, noNullPrototype: true });
    fc.assert(
      fc.property(text, text, others, (prompt, negativePrompt, more) => {
        const parameters = { prompt, negativePrompt, settings: { ...settings, ...more } };
        expect(parseParameters(formatParameters(parameters))).toEqual(parameters);
      }),
      { numRuns: 500 },
    );
  });
});
