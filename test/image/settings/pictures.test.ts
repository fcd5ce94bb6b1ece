import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { deflateSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { embedInJpeg, embedInWebp } from "../../../src/image/embed-exif.js";
import { readExif, writeExif } from "../../../src/image/exif.js";
import { Picture } from "../../../src/image/picture.js";
import { encodePng } from "../../../src/image/png.js";
import { readPictureSettings } from "../../../src/image/settings/read-picture-settings.js";

const fixture = (name: string) => readFileSync(fileURLToPath(new URL(`../../fixtures/picture-settings/${name}`, import.meta.url)));
const PIXELS = new Picture(8, 8, new Uint8Array(192).fill(90));
const PARAMETERS = fixture("automatic1111.txt").toString();
const JPEG = await PIXELS.encode("jpeg");
const READ = {
  software: "AUTOMATIC1111",
  prompt: "a red fox, (fire:1.3) — 狐",
  negativePrompt: "blurry",
  settings: { Steps: "20", Sampler: "Euler a", "Schedule type": "Karras", "CFG scale": "7.5", Seed: "123", Size: "512x512", Model: "sd15" },
};

/** An EXIF block whose only tag is a UserComment of these bytes. */
function exifOf(comment: Uint8Array, isLittleEndian = false): Uint8Array {
  const bytes = new Uint8Array(44 + comment.length);
  const view = new DataView(bytes.buffer);
  bytes.set(Buffer.from(isLittleEndian ? "II" : "MM"));
  const fields = [
    [2, 42, 2],
    [4, 8, 4],
    [8, 1, 2],
    [10, 0x8769, 2],
    [12, 4, 2],
    [14, 1, 4],
    [18, 26, 4],
    [26, 1, 2],
    [28, 0x9286, 2],
    [30, 7, 2],
    [32, comment.length, 4],
    [36, 44, 4],
  ] as const;
  for (const [at, value, size] of fields) {
    if (size === 2) view.setUint16(at, value, isLittleEndian);
    else view.setUint32(at, value, isLittleEndian);
  }
  bytes.set(comment, 44);
  return bytes;
}

describe("settings in EXIF", () => {
  it.each(["automatic1111.jpg", "automatic1111.webp"])("are read as piexif writes them: %s", async (name) => {
    const { width, parameters, ...settings } = await readPictureSettings(fixture(name));
    expect({ width, parameters }).toEqual({ width: 8, parameters: PARAMETERS });
    expect(settings).toMatchObject(READ);
  });

  it.each([
    ["jpeg", "jpg"],
    ["webp", "webp"],
  ] as const)("are written into %s with the same comment as piexif's", async (format, ending) => {
    const bytes = Buffer.from(await PIXELS.encode(format, { text: { parameters: PARAMETERS } }));
    const comment = Buffer.from(writeExif(PARAMETERS)).subarray(44);
    expect(fixture(`automatic1111.${ending}`).includes(comment)).toBe(true);
    expect(bytes.includes(comment)).toBe(true);
    expect(await readPictureSettings(bytes)).toMatchObject(READ);
  });

  const utf16 = (text: string) => Buffer.from(text, "utf16le");
  const swapped = (text: string) => utf16(text).swap16();
  it.each([
    ["UNICODE, high byte first", Buffer.concat([Buffer.from("UNICODE\0"), swapped(PARAMETERS)])],
    ["UNICODE, low byte first", Buffer.concat([Buffer.from("UNICODE\0"), utf16(PARAMETERS)])],
    ["UNICODE with a byte order mark", Buffer.concat([Buffer.from("UNICODE\0"), swapped(`\ufeff${PARAMETERS}`)])],
    ["UNICODE that is UTF-8", Buffer.from(`UNICODE\0${PARAMETERS}`)],
    ["ASCII that is UTF-8", Buffer.from(`ASCII\0\0\0${PARAMETERS}\0`)],
    ["no named encoding", Buffer.from(`\0\0\0\0\0\0\0\0${PARAMETERS}`)],
    ["no encoding at all", Buffer.from(PARAMETERS)],
    ["no encoding at all, in UTF-16", utf16(PARAMETERS)],
  ])("are read in any encoding and byte order: %s", (_, comment) => {
    for (const isLittleEndian of [false, true]) expect(readExif(exifOf(comment, isLittleEndian))).toEqual({ UserComment: PARAMETERS });
  });

  it("are read in the byte order of the block if the text does not show its own", () => {
    const comment = (text: Buffer) => Buffer.concat([Buffer.from("UNICODE\0"), text]);
    expect(readExif(exifOf(comment(swapped("狐狸")), false))).toEqual({ UserComment: "狐狸" });
    expect(readExif(exifOf(comment(utf16("狐狸")), true))).toEqual({ UserComment: "狐狸" });
  });

  it("are read from a PNG file's eXIf chunk", async () => {
    const png = Buffer.from(encodePng(PIXELS));
    const exif = writeExif(PARAMETERS);
    const head = Buffer.alloc(8);
    head.writeUInt32BE(exif.length);
    head.write("eXIf", 4);
    const file = Buffer.concat([png.subarray(0, 33), head, exif, Buffer.alloc(4), png.subarray(33)]);
    expect(await readPictureSettings(file)).toMatchObject(READ);
  });

  it("are not found in texts of cameras and phones", async () => {
    expect(await readPictureSettings(embedInJpeg(JPEG, writeExif("Screenshot")))).toMatchObject({ software: undefined, prompt: "" });
  });

  it("reads Fooocus' JSON", async () => {
    expect(await readPictureSettings(fixture("fooocus.jpg"))).toMatchObject({
      software: "Fooocus",
      prompt: "a red fox",
      negativePrompt: "blurry",
      settings: { Steps: "30", Sampler: "dpmpp_2m_sde_gpu", Seed: "123", Size: "1152x896", Model: "juggernautXL", LoRAs: "offset 0.1" },
    });
  });

  it("reads ComfyUI's graph, the seed to its last digit", async () => {
    expect(await readPictureSettings(fixture("comfyui.webp"))).toMatchObject({
      software: "ComfyUI",
      prompt: "a red fox",
      settings: { Seed: "18446744073709551615", Size: "512x768", Model: "v1-5.safetensors" },
    });
  });

  it("reads NovelAI's WebP", async () => {
    const comment = JSON.stringify({ prompt: "fox", uc: "blurry", steps: 28, seed: 5, sampler: "k_euler", scale: 6 });
    const text = JSON.stringify({ Software: "NovelAI", Source: "NovelAI Diffusion V4", Description: "fox", Comment: comment });
    const file = embedInWebp(await PIXELS.encode("webp"), writeExif(text), PIXELS);
    expect(await readPictureSettings(file)).toMatchObject({ software: "NovelAI", prompt: "fox", settings: { Seed: "5", Steps: "28" } });
  });
});

describe("a picture without settings", () => {
  it.each(["png", "jpeg", "webp"] as const)("has its size and no software: %s", async (format) => {
    const { width, height, software, keywords } = await readPictureSettings(await PIXELS.encode(format));
    expect({ width, height, software, keywords }).toEqual({ width: 8, height: 8, software: undefined, keywords: [] });
  });

  it("differs from a file that is not a picture", async () => {
    const refused = (bytes: Uint8Array) => expect(readPictureSettings(bytes)).rejects;
    await refused(Buffer.from("no picture")).toThrow('not an image file that can be read: it is a text file, which begins "no picture"');
    await refused(JPEG.slice(0, 200)).toThrow("not an image file that can be read: it is a JPEG picture, but ");
    await refused(new Uint8Array()).toThrow("not an image file that can be read: the file is empty");
    await refused(fixture("../lora/blocks.safetensors")).toThrow("not an image file that can be read: it is a safetensors file");
    const path = "fox.png" as unknown as Uint8Array;
    await expect(readPictureSettings(path)).rejects.toThrow('bytes is "fox.png" (a string); expected the bytes of an image file');
  });
});

/** A PNG file with these texts; objects as JSON. */
const png = (texts: Record<string, unknown>) =>
  encodePng(
    PIXELS,
    Object.fromEntries(Object.entries(texts).map(([key, value]) => [key, typeof value === "string" ? value : JSON.stringify(value)])),
  );

describe("settings in PNG texts", () => {
  it.each([
    ["Version: v1.10.1", "AUTOMATIC1111"],
    ["Version: 1.6.0", "AUTOMATIC1111"],
    ["Clip skip: 2", "AUTOMATIC1111"],
    ["Version: f2.0.1v1.10.1-previous-659", "Forge"],
    ["App: SD.Next, Version: 0eb4a98", "SD.Next"],
    ["Version: Fooocus v2.5.0", "Fooocus"],
    ["Version: ComfyUI", "ComfyUI"],
    ["Version: darkroom 0.1.0", "darkroom"],
  ])("tell their program where several write alike: %s", async (field, software) => {
    const file = png({ parameters: `a fox\nSteps: 20, Seed: 1, CFG scale: 7, ${field}` });
    expect(await readPictureSettings(file)).toMatchObject({ software, prompt: "a fox", settings: { Steps: "20" } });
  });

  it("are read packed too", async () => {
    const base = Buffer.from(encodePng(PIXELS));
    const data = Buffer.concat([Buffer.from("parameters\0\0"), deflateSync(Buffer.from("a fox\nSteps: 20, Seed: 1, CFG scale: 7"))]);
    const head = Buffer.alloc(8);
    head.writeUInt32BE(data.length);
    head.write("zTXt", 4);
    const file = Buffer.concat([base.subarray(0, 33), head, data, Buffer.alloc(4), base.subarray(33)]);
    expect(await readPictureSettings(file)).toMatchObject({ prompt: "a fox", settings: { Seed: "1" } });
  });

  const SETTINGS = { Steps: "28", Sampler: "k_euler", "CFG scale": "6", Seed: "4123456789", Size: "832x1216" };
  it.each([
    [
      "InvokeAI",
      {
        invokeai_metadata: {
          app_version: "4.2.0",
          positive_prompt: "a red fox",
          negative_prompt: "blurry",
          width: 832,
          height: 1216,
          seed: 4123456789,
          cfg_scale: 6,
          steps: 28,
          scheduler: "k_euler",
          model: { key: "k", name: "dreamshaper", base: "sd-1" },
          loras: [{ model: { name: "detail" }, weight: 0.5 }],
        },
      },
      { ...SETTINGS, Model: "dreamshaper", LoRAs: "detail 0.5", Version: "InvokeAI 4.2.0" },
    ],
    [
      "InvokeAI",
      {
        invokeai_metadata: {
          positive_prompt: "a red fox",
          negative_prompt: "blurry",
          ...{ width: 832, height: 1216, seed: 4123456789, cfg_scale: 6, steps: 28, scheduler: "k_euler" },
          model: { model_name: "sd15", base_model: "sd-1" },
        },
      },
      { ...SETTINGS, Model: "sd15" },
    ],
    [
      "InvokeAI",
      {
        "sd-metadata": {
          model_weights: "sd15",
          app_version: "2.3.5",
          image: {
            prompt: [{ prompt: "a red fox [blurry]", weight: 1 }],
            ...{ steps: 28, cfg_scale: 6, width: 832, height: 1216, seed: 4123456789, sampler: "k_euler" },
          },
        },
        Dream: '"something else" -s 1',
      },
      { ...SETTINGS, Model: "sd15", Version: "InvokeAI 2.3.5" },
    ],
    [
      "InvokeAI",
      { Dream: '"a red fox [blurry]" -s 28 -S 4123456789 -W 832 -H 1216 -C 6.0 -A k_euler' },
      { ...SETTINGS, "CFG scale": "6.0" },
    ],
    ["InvokeAI", { Dream: '"a red fox [blurry]" -s28 -S4123456789 -W832 -H1216 -C6 -Ak_euler' }, SETTINGS],
    [
      "NovelAI",
      {
        Title: "AI generated image",
        Description: "a red fox",
        Software: "NovelAI",
        Source: "Stable Diffusion XL C1E1DE52",
        Comment: { prompt: "a red fox", uc: "blurry", steps: 28, seed: 4123456789, sampler: "k_euler", scale: 6, width: 832, height: 1216 },
      },
      { ...SETTINGS, Model: "Stable Diffusion XL C1E1DE52" },
    ],
    [
      "NovelAI",
      {
        Software: "NovelAI",
        Description: "a red fox",
        Comment: {
          ...{
            uc: "blurry",
            steps: 28,
            seed: 4123456789,
            sampler: "k_euler",
            scale: 6,
            width: 832,
            height: 1216,
            noise_schedule: "karras",
          },
          v4_prompt: { caption: { base_caption: "a red fox", char_captions: [] } },
        },
      },
      { ...SETTINGS, "Schedule type": "karras" },
    ],
    [
      "SwarmUI",
      {
        parameters: {
          sui_image_params: {
            prompt: "a red fox",
            negativeprompt: "blurry",
            ...{ model: "sdxl", seed: 4123456789, steps: 28, cfgscale: 6, sampler: "k_euler", width: 832, height: 1216 },
            ...{ loras: ["detail"], loraweights: ["0.5"] },
          },
        },
      },
      { ...SETTINGS, Model: "sdxl", LoRAs: "detail 0.5" },
    ],
    [
      "Easy Diffusion",
      {
        prompt: "a red fox",
        negative_prompt: "blurry",
        seed: "4123456789",
        num_inference_steps: "28",
        guidance_scale: "6",
        sampler_name: "k_euler",
        width: "832",
        height: "1216",
        use_stable_diffusion_model: "sd-v1-4",
      },
      { ...SETTINGS, Model: "sd-v1-4" },
    ],
    [
      "Draw Things",
      {
        "XML:com.adobe.xmp": `<x:xmpmeta><rdf:RDF><exif:UserComment><rdf:Alt><rdf:li xml:lang="x-default">${JSON.stringify({
          ...{ c: "a red fox", uc: "blurry", steps: 28, seed: 4123456789, sampler: "k_euler", scale: 6, size: "832x1216", model: "sd15" },
          ...{ lora: [{ model: "detail", weight: 0.5 }] },
        }).replaceAll('"', "&quot;")}</rdf:li></rdf:Alt></exif:UserComment></rdf:RDF></x:xmpmeta>`,
      },
      { ...SETTINGS, Model: "sd15", LoRAs: "detail 0.5" },
    ],
  ])("of %s are read under AUTOMATIC1111's names", async (software, texts, settings) => {
    expect(await readPictureSettings(png(texts))).toMatchObject({ software, prompt: "a red fox", negativePrompt: "blurry" });
    expect((await readPictureSettings(png(texts))).settings).toEqual(settings);
  });

  it("of NovelAI's characters are parts of the prompt", async () => {
    const caption = { base_caption: "two foxes", char_captions: [{ char_caption: "red" }, { char_caption: "blue" }] };
    const file = png({ Software: "NovelAI", Comment: { v4_prompt: { caption }, uc: "", sampler: "k_euler" } });
    expect(await readPictureSettings(file)).toMatchObject({ prompt: "two foxes | red | blue" });
  });

  it("that cannot be read still show their program", async () => {
    for (const [software, texts] of [
      ["InvokeAI", { invokeai_metadata: "damaged {" }],
      ["NovelAI", { Software: "NovelAI", Comment: "damaged {" }],
      ["ComfyUI", { prompt: { 1: { class_type: "MyOwnNode", inputs: {} } } }],
    ] as const) {
      expect(await readPictureSettings(png(texts))).toMatchObject({ software, prompt: "", settings: {} });
    }
  });
});
