import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { expect } from "vitest";
import type { Json } from "../../src/checkpoint/json.js";
import { embedInJpeg, embedInWebp } from "../../src/image/embed-exif.js";
import { readExif, writeExif } from "../../src/image/exif.js";
import { Picture } from "../../src/image/picture.js";
import { encodePng } from "../../src/image/png.js";
import { readPictureSettings } from "../../src/image/settings/read-picture-settings.js";
import { editedBytes, editedJson, hostileNumber, hostileText, hostileValue } from "./hostile.js";
import { attack, refusing, surface } from "./surface.js";

const fixture = (name: string) => readFileSync(fileURLToPath(new URL(`../fixtures/picture-settings/${name}`, import.meta.url)));
const PIXELS = new Picture(8, 8, new Uint8Array(192));
const [JPEG, WEBP] = await Promise.all([PIXELS.encode("jpeg"), PIXELS.encode("webp")]);

/** What is read is text, whatever the file. */
async function strike(bytes: Uint8Array): Promise<void> {
  const found = await refusing(() => readPictureSettings(bytes));
  const { prompt = "", negativePrompt = "", settings = {} } = found ?? {};
  expect([prompt, negativePrompt, ...Object.values(settings)].every((each) => typeof each === "string")).toBe(true);
}

/** An EXIF block of directories whose entries point anywhere, at themselves and at all of it. */
const exif = fc
  .record({
    isLittle: fc.boolean(),
    size: fc.constantFrom(10, 100, 60_000),
    entries: fc.array(
      fc.record({
        tag: fc.constantFrom(270, 271, 272, 0x8769, 0x9286, 0x9286, 1),
        type: fc.constantFrom(1, 2, 7, 129, 4, 0, 65535),
        count: fc.oneof(fc.nat(70_000), fc.constantFrom(2 ** 31, 2 ** 32 - 1)),
        value: fc.oneof(fc.nat(200), fc.constantFrom(8, 2 ** 31, 2 ** 32 - 1)),
      }),
      { maxLength: 20 },
    ),
    claimed: fc.constantFrom(0, 1, 5, 65535),
    times: fc.constantFrom(1, 200),
  })
  .map(({ isLittle, size, entries, claimed, times }) => {
    const all = Array.from({ length: times }, () => entries).flat();
    const bytes = new Uint8Array(Math.max(size, 10 + 12 * all.length));
    const view = new DataView(bytes.buffer);
    bytes.set(Buffer.from(isLittle ? "II" : "MM"));
    view.setUint16(2, 42, isLittle);
    view.setUint32(4, 8, isLittle);
    view.setUint16(8, Math.max(claimed, all.length), isLittle);
    for (const [i, { tag, type, count, value }] of all.entries()) {
      const at = 10 + 12 * i;
      view.setUint16(at, tag, isLittle);
      view.setUint16(at + 2, type, isLittle);
      view.setUint32(at + 4, count, isLittle);
      view.setUint32(at + 8, value, isLittle);
    }
    return bytes;
  });

/** Nodes of any kind with links to each other. */
const link = fc.tuple(
  fc.nat(30).map((id): Json => String(id)),
  fc.constantFrom<Json>(0, 1, -1),
);
const names = fc.constantFrom(
  ...["model", "positive", "negative", "latent_image", "samples", "conditioning", "conditioning_1", "guider", "sigmas", "noise", "clip"],
  ...["text", "seed", "steps", "cfg", "sampler_name", "width", "height", "lora_name", "strength_model", "ckpt_name", "__proto__", "images"],
);
const node = fc.record({
  class_type: fc.constantFrom("KSampler", "CLIPTextEncode", "SaveImage", "LoraLoader", "ConditioningZeroOut", "Reroute"),
  inputs: fc.dictionary(names, fc.oneof<fc.Arbitrary<Json>[]>(link as fc.Arbitrary<Json>, hostileNumber, hostileText), { maxKeys: 8 }),
});
const graphs = fc.array(node, { maxLength: 30 }).map((nodes) => Object.fromEntries(nodes.map((each, i) => [String(i), each])));

/** Graphs as long as a file may be: a chain of nodes, and many nodes that all link to one that links to all. */
const large = fc.constantFrom(
  Object.fromEntries(
    Array.from({ length: 20_000 }, (_, i) => [
      i,
      {
        class_type: "KSampler",
        inputs: { steps: 1, positive: [String(i + 1), 0], latent_image: [String(i + 1), 0], model: [String(i + 1), 0] },
      },
    ]),
  ),
  Object.fromEntries(
    Array.from({ length: 1000 }, (_, i) => [
      i,
      i === 0
        ? { class_type: "SaveImage", inputs: Object.fromEntries(Array.from({ length: 1000 }, (_, k) => [`image${k}`, [String(k), 0]])) }
        : { class_type: "KSampler", inputs: { steps: ["0", 0], seed: ["0", 0], positive: ["0", 0], model: ["0", 0] } },
    ]),
  ),
);
const GRAPH = JSON.parse(readExif(fixture("comfyui.webp").subarray(fixture("comfyui.webp").indexOf("II*"))).Model?.slice(7) ?? "{}");

const INVOKEAI = {
  positive_prompt: "a fox",
  seed: 1,
  model: { name: "m" },
  loras: [{ model: { name: "l" }, weight: 1 }],
  width: 8,
  height: 8,
};
const NOVELAI = {
  prompt: "a fox",
  uc: "",
  sampler: "k",
  v4_prompt: { caption: { base_caption: "a", char_captions: [{ char_caption: "b" }] } },
};
const OTHERS = {
  ...{ base_model: "m", performance: "p", resolution: "(1, 2)", loras: [["a", 1]], sui_image_params: { loras: "a,b", loraweights: "1,2" } },
  ...{ c: "a", uc: "b", size: "1x2", lora: [{ model: "a" }], num_inference_steps: 1, prompt: "a" },
};
const texts = fc.oneof(
  editedJson(INVOKEAI).map((invokeai_metadata) => ({ invokeai_metadata })),
  editedJson({ model_weights: "m", image: { prompt: [{ prompt: "a [b]" }], steps: 1 } }).map((text) => ({ "sd-metadata": text })),
  fc
    .array(fc.oneof(hostileText, fc.constantFrom('"', " -s 1", "-S", "[", "]")), { maxLength: 20 })
    .map((parts) => ({ Dream: parts.join("") })),
  editedJson(NOVELAI).map((Comment) => ({ Comment, Software: "NovelAI" })),
  editedJson(OTHERS).map((parameters) => ({ parameters })),
  editedJson(OTHERS).map((UserComment) => ({ UserComment })),
  hostileText.map((text) => ({
    "XML:com.adobe.xmp": `<exif:UserComment><rdf:li>{&quot;c&quot;:&#${text};&#x${text};</rdf:li></exif:UserComment>`,
  })),
  hostileValue.map((value) => ({ invokeai_metadata: JSON.stringify(value), Software: "NovelAI", prompt: JSON.stringify(value) })),
);

surface("a picture's settings", [
  attack(
    "in a file with damaged bytes",
    fc.constantFrom("automatic1111.jpg", "automatic1111.webp", "comfyui.webp", "fooocus.jpg").chain((name) => editedBytes(fixture(name))),
    strike,
    { runs: 300 },
  ),
  attack("in EXIF that is wrong", exif, (bytes) => readExif(bytes), { runs: 200 }),
  attack(
    "in a file whose EXIF is wrong",
    exif,
    async (bytes) => {
      await strike(embedInJpeg(JPEG, bytes.subarray(0, 65_000)));
      await strike(embedInWebp(WEBP, bytes, PIXELS));
    },
    { runs: 60 },
  ),
  attack(
    "in a comment of any bytes",
    fc.tuple(fc.constantFrom("UNICODE\0", "ASCII\0\0\0", "JIS\0\0\0\0\0", "\0\0\0\0\0\0\0\0", ""), fc.uint8Array({ maxLength: 50 })),
    async ([code, text]) => {
      const block = Buffer.from(writeExif("x".repeat(text.length)));
      block.write(code, 44, "latin1");
      block.set(text, 44 + code.length > block.length - text.length ? block.length - text.length : 44 + code.length);
      expect(typeof (readExif(block).UserComment ?? "")).toBe("string");
    },
    { runs: 300 },
  ),
  attack("of ComfyUI with nodes linked anyhow", graphs, (graph) => strike(encodePng(PIXELS, { prompt: JSON.stringify(graph) })), {
    runs: 300,
  }),
  attack("of ComfyUI with fields changed", editedJson(GRAPH), (prompt) => strike(encodePng(PIXELS, { prompt })), { runs: 300 }),
  attack("of ComfyUI with very many nodes", large, (graph) => strike(encodePng(PIXELS, { prompt: JSON.stringify(graph) })), {
    runs: 2,
    isBrief: true,
  }),
  attack("of other programs with fields changed", texts, (each) => strike(encodePng(PIXELS, each)), { runs: 500 }),
]);
