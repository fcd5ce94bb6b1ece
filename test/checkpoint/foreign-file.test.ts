import { describe, expect, it } from "vitest";
import { readConfig } from "../../src/checkpoint/config.js";
import { BEGINNING, recognise } from "../../src/checkpoint/foreign-file.js";
import { readSafetensorsHeader } from "../../src/checkpoint/safetensors.js";
import { openFolder } from "../../src/platform/node/platform.js";
import { checkpointError } from "../helpers/errors.js";
import { safetensorsBytes } from "../helpers/safetensors.js";
import { temporaryFolder } from "../helpers/temporary.js";

const FILE = "model.safetensors";
const bytes = (text: string) => Buffer.from(text, "latin1");
/** What is said of a file that is called as weights are. */
const failure = (content: string | Uint8Array) =>
  checkpointError(
    readSafetensorsHeader(openFolder(temporaryFolder({ [FILE]: typeof content === "string" ? bytes(content) : content })), FILE),
  );

describe("a file given as weights is called what it is", () => {
  it.each([
    ["\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "it is a PNG picture", /image/],
    ["\xff\xd8\xff\xe0\0\x10JFIF\0", "it is a JPEG picture", /image/],
    ["RIFF\x24\0\0\0WEBPVP8 ", "it is a WebP picture", /image/],
    ["GIF89a\x01\0\x01\0", "it is a GIF picture", /image/],
    ["\0\0\0\x1cftypavif\0\0\0\0", "it is an AVIF or HEIC picture", /image/],
    ["GGUF\x03\0\0\0\0\0\0\0", "it is a GGUF file of quantized weights", /safetensors/],
    ["\x08\x07\x12\x07pytorch\x1a\x032.0", "it is an ONNX model", /safetensors/],
    ["\x89HDF\r\n\x1a\n\0\0", "it is an HDF5 file, of Keras or TensorFlow", /safetensors/],
    ["PK\x03\x04\0\0\x08\x08\0\0\0\0\0\0archive/data.pkl", "it is a pickle under another name", /can run code/],
    ["\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "it is a pickle under another name", /can run code/],
    ["PK\x03\x04\x14\0\0\0\x08\0model.safetensors", "it is a ZIP archive", /unpack/],
    ["\x1f\x8b\x08\0\0\0\0\0\0\x03", "it is a compressed archive", /unpack/],
    ["version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "it is a Git LFS pointer, not the file itself", /git lfs pull/],
    ["<!doctype html>\n<title>Sign in</title>", 'it is a web page ("Sign in"), saved in place of the file', /resolve/],
    ["---\nlicense: openrail\ntags:\n- lora\n---\n# A fox\n", "it is a README, a text file", /download/],
    ["Entry not found", 'it is a text file, which begins "Entry not found"', /download/],
    ["\0".repeat(64), "it begins with zeros, like an unfinished download", /download/],
    ['{"weight_map": {"a": "model-00001-of-00002.safetensors"}}', "it is JSON, the index of weights in several files", /folder/],
    ['{"_class_name": "UNet2DConditionModel", "sample_size": 64}', "it is JSON, the config of a UNet2DConditionModel", /folder/],
    ['{"architectures": ["CLIPTextModel"], "x": 1}', "it is JSON, the config of a CLIPTextModel", /folder/],
    [`{"<|startoftext|>": "${"x".repeat(BEGINNING)}"}`, "it is JSON, or text that begins like it", /safetensors/],
  ])("%j", async (content, what, hint) => {
    const error = await failure(content);
    expect(error.message).toMatch(/model\.safetensors: not a safetensors file: /);
    expect(error.message.endsWith(`: ${what}`)).toBe(true);
    expect(error.hint).toMatch(hint);
  });

  it.each([
    ['{"error":"Unauthorized","message":"You must be logged in to download this"}', "JSON", "You must be logged in to download this"],
    ['{"error":"Access to model x is restricted"}', "JSON", "Access to model x is restricted"],
    ['{"error":{"code":401,"message":"Invalid API key"}}', "JSON", "Invalid API key"],
    ['{"detail":[{"msg":"no such file"}],"status_code":404}', "JSON", "no such file"],
    ['<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>', "XML", "Access Denied"],
  ])("a server's answer with its message: %s", async (content, format, message) => {
    const error = await failure(content);
    expect(error.message).toMatch(`: not a safetensors file: it is ${format}, a server's answer in place of the file: "${message}"`);
    expect(error.hint).toMatch(/log in/);
  });

  it("is said to be cut short, in its header or after it", async () => {
    const whole = safetensorsBytes({ a: { dtype: "U8", shape: [100], data_offsets: [0, 100] } }, new Uint8Array(100));
    const [header, data] = [await failure(whole.subarray(0, 20)), await failure(whole.subarray(0, whole.length - 30))];
    expect(header.message).toMatch(/: it is cut short: its header has \d+ bytes; the file has 12 of them$/);
    expect(data.message).toMatch(/: it is cut short: tensor a ends at byte \d+; the file has \d+$/);
    for (const { hint } of [header, data]) expect(hint).toBe("the download broke off; download the file again");
  });
});

describe("a file given as a config is called what it is", () => {
  const config = (content: string) =>
    checkpointError(readConfig(openFolder(temporaryFolder({ "config.json": bytes(content) })), "config.json"));

  it.each([
    [
      '{"error":"Unauthorized","message":"Please log in"}',
      /config\.json is not what it should be: it is JSON, a server's answer in place of the file: "Please log in"/,
    ],
    ["\x89PNG\r\n\x1a\n\0\0", /config\.json is not JSON: it is a PNG picture/],
  ])("%j", async (content, message) => {
    expect((await config(content)).message).toMatch(message);
  });

  it("unless it has other fields besides a message", async () => {
    const folder = openFolder(temporaryFolder({ "config.json": '{"_class_name": "UNet2DModel", "message": "hello"}' }));
    expect(await readConfig(folder, "config.json")).toMatchObject({ message: "hello" });
  });
});

it("does not recognise bytes that are like no known file", () => {
  expect(recognise(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9))).toBeUndefined();
});
