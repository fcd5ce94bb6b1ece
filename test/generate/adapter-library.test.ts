import * as v from "valibot";
import { describe, expect, it } from "vitest";
import { type AdapterLibrary, adapterLibrary, locateAdapters } from "../../src/generate/adapter-library.js";

function shelf(...paths: string[]) {
  return { name: "models", list: () => paths };
}

const located = (library: AdapterLibrary, request: Parameters<typeof locateAdapters>[0], texts = "") =>
  locateAdapters(request, library, texts);

describe("LoRAs", () => {
  it.each([
    ["loras/fox.safetensors", "fox"],
    ["C:\\loras\\fox.v2.safetensors", "fox.v2"],
    ["owner/lcm-lora", "lcm-lora"],
    ["https://example.com/files/fox.safetensors?download=true", "fox"],
    ["a<b>,c.safetensors", "abc"],
    ["<>.safetensors", "lora"],
  ])("given as %s are called %s, without what would end a tag", async (source, name) => {
    expect((await located({}, { loras: [{ source }] })).loras).toEqual([{ source, name, weight: 1 }]);
  });

  it("are called by the name in the request", async () => {
    const lora = { source: "a.safetensors", name: "fox", weight: 0.5, unetWeight: 0 };
    expect((await located({}, { loras: [lora] })).loras).toEqual([lora]);
  });

  it("without a source are looked up by their names", async () => {
    const { loras } = await located({ loras: shelf("a/fox.safetensors", "b/ink.safetensors") }, { loras: [{ name: "ink" }] });
    expect(loras).toEqual([{ name: "ink", weight: 1, source: "b/ink.safetensors" }]);
  });

  it("are safetensors files rather than pickles of the same name", async () => {
    const { loras } = await located({ loras: shelf("fox.pt", "fox.safetensors") }, { loras: [{ name: "fox" }] });
    expect(loras[0]?.source).toBe("fox.safetensors");
  });

  it("of a name that several have are refused, with their paths", async () => {
    const work = located({ loras: shelf("a/fox.safetensors", "b/fox.safetensors") }, { loras: [{ name: "fox" }] });
    await expect(work).rejects.toThrow("several files have the name fox: a/fox.safetensors, b/fox.safetensors");
  });
});

describe("embeddings", () => {
  const library = { embeddings: shelf("e/Bad-Hands.safetensors", "e/ox.safetensors", "e/a.b.safetensors") };

  it.each([
    ["a fox, bad-hands", [{ source: "e/Bad-Hands.safetensors", token: "bad-hands" }]],
    ["BAD-HANDS!", [{ source: "e/Bad-Hands.safetensors", token: "BAD-HANDS" }]],
    ["a fox", []],
    ["an ox", [{ source: "e/ox.safetensors", token: "ox" }]],
    ["axb", []],
    ["a.b", [{ source: "e/a.b.safetensors", token: "a.b" }]],
  ])("are found by the words of the prompts: %j", async (texts, embeddings) => {
    expect((await located(library, {}, texts)).embeddings).toEqual(embeddings);
  });

  it("that are given, too, are loaded once", async () => {
    const given = { source: "e/ox.safetensors", token: "<ox>" };
    expect((await located(library, { embeddings: [given] }, "an ox")).embeddings).toEqual([given]);
  });
});

it("a library is listed even if nothing is looked up", async () => {
  const missing = { name: "none", list: () => Promise.reject(new Error("it does not exist")) };
  await expect(located({ loras: missing }, {})).rejects.toThrow("it does not exist");
  await expect(located({ embeddings: missing }, {})).rejects.toThrow("it does not exist");
});

describe("a library", () => {
  it("may have shelves that are instances of a class, and may lack shelves", () => {
    class Uploads {
      readonly name = "uploads";
      list(): readonly string[] {
        return ["a/fox.safetensors"];
      }
    }
    for (const library of [{ loras: new Uploads() }, { embeddings: shelf() }, { loras: null }, {}]) {
      expect(v.is(adapterLibrary, library)).toBe(true);
    }
  });

  it.each([{ lora: shelf() }, { loras: ["fox.safetensors"] }, { loras: { name: "models" } }, { loras: { list: () => [] } }])(
    "that cannot be used is refused: %o",
    (library) => {
      expect(v.is(adapterLibrary, library)).toBe(false);
    },
  );

  it.each(["fox.safetensors", undefined, [1], [""]])("is refused if it lists %o", async (paths) => {
    const library = { loras: { name: "models", list: () => paths as unknown as readonly string[] } };
    await expect(located(library, {})).rejects.toMatchObject({
      argument: "library",
      message: expect.stringMatching(/^list of models gave .*; expected a list of files or hub ids for library$/),
    });
  });
});
