import { createProviderRegistry, type GeneratedFile, generateImage } from "ai";
import { ArgumentError, DiffusionPipeline, setWarningHandler } from "darkroom";
import sharp from "sharp";
import { afterAll, describe, expect, it, onTestFinished } from "vitest";
import { createDarkroom, type DarkroomImageOptions, darkroom as onGpuOrCpu } from "../src/index.js";
import { difference, pixelsOf, plain } from "./pictures.js";

const darkroom = createDarkroom({ device: "cpu" });
afterAll(() => darkroom.dispose());
const model = darkroom.image("emoji-128");
const options = (darkroomOptions: DarkroomImageOptions) => ({ darkroom: darkroomOptions });
const facts = (file: GeneratedFile) => file.providerMetadata?.darkroom as Record<string, never>;

describe("generateImage on this machine", () => {
  it("makes the picture that the library makes of the same seed", async () => {
    const { image } = await generateImage({ model, prompt: "a panda", seed: 7, providerOptions: options({ steps: 3, guidance: 4 }) });
    expect(image.mediaType).toBe("image/png");
    await using pipe = await DiffusionPipeline.fromPretrained("emoji-128", { device: "cpu" });
    const { images } = await pipe.generate({ prompt: "a panda", seed: 7, numInferenceSteps: 3, guidanceScale: 4 });
    const expected = (images[0] as { toPng(): Uint8Array }).toPng();
    expect((await pixelsOf(image.uint8Array)).data.equals((await pixelsOf(expected)).data)).toBe(true);
  });

  it("makes n pictures with the seeds after the first one, and says what each was made with", async () => {
    const { images, warnings, responses, providerMetadata } = await generateImage({
      model,
      prompt: "a panda",
      n: 3,
      seed: 40,
      providerOptions: options({ steps: 1, negativePrompt: "blue", scheduler: "euler-a" }),
    });
    expect(images.map((image) => facts(image).seed)).toEqual([40, 41, 42]);
    expect(providerMetadata.darkroom?.images).toHaveLength(3);
    expect(facts(images[1] as GeneratedFile)).toMatchObject({
      width: 128,
      height: 128,
      parameters: expect.stringContaining("Seed: 41,"),
      settings: {
        prompt: "a panda",
        negativePrompt: "blue",
        numInferenceSteps: 1,
        scheduler: "EulerAncestralDiscreteScheduler",
        device: "cpu",
        model: "emoji-128",
      },
    });
    expect(warnings).toEqual([]);
    expect(responses).toMatchObject([{ modelId: "emoji-128", timestamp: expect.any(Date) }]);
    const { image } = await generateImage({
      model,
      prompt: "a panda",
      seed: 41,
      providerOptions: options({ steps: 1, negativePrompt: "blue", scheduler: "euler-a" }),
    });
    expect(image.base64).toBe(images[1]?.base64);
  });

  it("takes a seed above 2^53 as a text, and gives it as one", async () => {
    const { image } = await generateImage({ model, prompt: "x", providerOptions: options({ steps: 1, seed: "18446744073709551615" }) });
    expect(facts(image).seed).toBe("18446744073709551615");
  });

  it("makes the format that is asked for", async () => {
    const { image } = await generateImage({ model, prompt: "x", providerOptions: options({ steps: 1, format: "webp", quality: 50 }) });
    expect(image.mediaType).toBe("image/webp");
  });

  it("takes a size, or the nearest size of an aspect ratio", async () => {
    const sizeOf = async (image: GeneratedFile) => sharp(image.uint8Array).metadata();
    const providerOptions = options({ steps: 1 });
    expect(await sizeOf((await generateImage({ model, prompt: "x", size: "96x64", providerOptions })).image)).toMatchObject({
      width: 96,
      height: 64,
    });
    const square = await generateImage({ model, prompt: "x", aspectRatio: "1:1", providerOptions });
    expect(await sizeOf(square.image)).toMatchObject({ width: 128, height: 128 });
    expect(square.warnings).toEqual([]);
    const wide = await generateImage({ model, prompt: "x", aspectRatio: "16:9", providerOptions });
    expect(await sizeOf(wide.image)).toMatchObject({ width: 168, height: 96 });
    expect(wide.warnings).toMatchObject([{ type: "compatibility", feature: "aspectRatio" }]);
    const both = await generateImage({ model, prompt: "x", size: "64x64", aspectRatio: "16:9", providerOptions });
    expect(await sizeOf(both.image)).toMatchObject({ width: 64, height: 64 });
    expect(both.warnings).toMatchObject([{ type: "unsupported", feature: "aspectRatio" }]);
  });

  it("starts from a picture, and warns of a second one", async () => {
    const start = await plain(128, 128, "red");
    const call = { model, seed: 1, providerOptions: options({ steps: 4, strength: 0.3 }) };
    const { image, warnings } = await generateImage({ ...call, prompt: { text: "an apple", images: [start] } });
    const { data } = await pixelsOf(image.uint8Array);
    expect(data[0]).toBeGreaterThan(150);
    expect(warnings).toEqual([]);
    const two = await generateImage({ ...call, prompt: { text: "an apple", images: [start, await plain(128, 128, "blue")] } });
    expect(two.image.base64).toBe(image.base64);
    expect(two.warnings).toMatchObject([{ type: "unsupported", feature: "files" }]);
  });

  it("repaints where a mask is white, or transparent", async () => {
    const start = await plain(128, 128, "red");
    const right = await plain(64, 128, "white");
    const white = await sharp(await plain(128, 128, "black"))
      .composite([{ input: right, left: 64, top: 0 }])
      .png()
      .toBuffer();
    const hole = await plain(128, 128, { r: 0, g: 0, b: 0, alpha: 0 });
    const kept = await plain(64, 128, { r: 0, g: 0, b: 0, alpha: 1 });
    const transparent = await sharp(hole)
      .composite([{ input: kept, left: 0, top: 0 }])
      .png()
      .toBuffer();
    const call = { model, seed: 1, providerOptions: options({ steps: 4 }) };
    const results = [];
    for (const mask of [white, transparent]) {
      const { image, warnings } = await generateImage({
        ...call,
        prompt: { text: "a panda on a green background", images: [start], mask },
      });
      expect(warnings).toEqual([]);
      expect(await difference(image.uint8Array, start, 0, 48)).toBeLessThan(20);
      expect(await difference(image.uint8Array, start, 80, 128)).toBeGreaterThan(60);
      results.push(image.base64);
    }
    expect(results[1]).toBe(results[0]);
  });

  it("gives the library's warnings with the picture, to the call that caused them", async () => {
    const printed: string[] = [];
    const previous = setWarningHandler((message) => printed.push(message));
    onTestFinished(() => void setWarningHandler(previous));
    const long = "a very long prompt about a panda, ".repeat(40);
    const [cut, short] = await Promise.all([
      generateImage({ model, prompt: long, providerOptions: options({ steps: 1 }) }),
      generateImage({ model, prompt: "a panda", providerOptions: options({ steps: 1 }) }),
    ]);
    expect(cut.warnings).toMatchObject([{ type: "other", message: expect.stringContaining("prompt") }]);
    expect(short.warnings).toEqual([]);
    expect(printed).toEqual([]);
  });

  it("names the option that makes no sense, and does not try again", async () => {
    const call = (darkroomOptions: DarkroomImageOptions, more = {}) =>
      generateImage({ model, prompt: "x", providerOptions: options(darkroomOptions), ...more });
    await expect(call({ numInferenceStep: 3 })).rejects.toThrow(ArgumentError);
    await expect(call({ steps: 0 })).rejects.toMatchObject({ argument: "numInferenceSteps" });
    await expect(call({ scheduler: "eule" })).rejects.toThrow("eule");
    await expect(call({}, { size: "101x64" })).rejects.toThrow(ArgumentError);
    await expect(call({}, { size: "big" })).rejects.toMatchObject({ name: "AI_InvalidArgumentError", argument: "size" });
    await expect(call({}, { aspectRatio: "0:9" })).rejects.toMatchObject({ argument: "aspectRatio" });
    await expect(call({ format: "gif" as "png" })).rejects.toMatchObject({ argument: "format" });
    await expect(call({ seed: 2 }, { seed: 1 })).rejects.toMatchObject({ argument: "seed", message: expect.stringContaining("by seed") });
    await expect(call({ numImagesPerPrompt: 2 })).rejects.toMatchObject({ argument: "numImagesPerPrompt" });
    await expect(call({ model: "other" })).rejects.toMatchObject({ argument: "model" });
    await expect(call({ steps: 2, numInferenceSteps: 2 })).rejects.toThrow("the same");
    await expect(generateImage({ model: darkroom.image("no/such/folder/here"), prompt: "x" })).rejects.toThrow("no/such/folder/here");
  });

  it("stops between two steps when the signal aborts, and goes on with the next call", async () => {
    const abort = new AbortController();
    const stopped = generateImage({
      model,
      prompt: "x",
      abortSignal: abort.signal,
      providerOptions: options({ steps: 900 }),
    });
    setTimeout(() => abort.abort(), 300);
    await expect(stopped).rejects.toMatchObject({ name: "AbortError" });
    await expect(generateImage({ model, prompt: "x", abortSignal: AbortSignal.abort() })).rejects.toMatchObject({ name: "AbortError" });
    expect((await generateImage({ model, prompt: "x", providerOptions: options({ steps: 1 }) })).images).toHaveLength(1);
  });
});

describe("the provider of this machine", () => {
  it("is there without options, for a registry, too", async () => {
    onTestFinished(() => onGpuOrCpu.dispose());
    const registry = createProviderRegistry({ darkroom: onGpuOrCpu });
    const call = { prompt: "a panda", seed: 3, providerOptions: options({ steps: 1, device: "cpu" }) };
    const { image } = await generateImage({ ...call, model: registry.imageModel("darkroom:emoji-128") });
    expect((await generateImage({ ...call, model: onGpuOrCpu.image() })).image.base64).toBe(image.base64);
    expect(() => onGpuOrCpu.languageModel("x")).toThrow("No such languageModel: x");
  });

  it("keeps as many models as it is told, and opens the others again", async () => {
    await using own = createDarkroom({ device: "cpu", keepOpen: 0 });
    const call = { model: own.image(), prompt: "a panda", seed: 3, providerOptions: options({ steps: 1 }) };
    const [one, two] = await Promise.all([generateImage(call), generateImage(call)]);
    const three = await generateImage(call);
    const exact = await generateImage({ ...call, providerOptions: options({ steps: 1, lowMemory: true }) });
    for (const { image } of [two, three, exact]) expect(image.base64).toBe(one.image.base64);
  });

  it("refuses options that it does not have", () => {
    expect(() => createDarkroom({ baseUrl: "http://127.0.0.1" } as never)).toThrow("createDarkroom has no option baseUrl");
    expect(() => createDarkroom({ baseURL: "http://127.0.0.1", device: "cpu" } as never)).toThrow("no option device for a server");
    expect(() => createDarkroom({ baseURL: "localhost:7860" })).toThrow("expected the address of a Darkroom server");
  });
});
