import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  CLIPVisionModelWithProjection,
  type IPAdapterFaceIDPlusImageProjection,
  StableDiffusionImg2ImgPipeline,
  StableDiffusionPipeline,
  StableDiffusionXLPipeline,
  Tensor,
} from "../../src/index.js";
import { expectClose } from "../helpers/differences.js";
import { checkpoint } from "../helpers/fixtures.js";

const ROOT = checkpoint("ip-adapter-mini");
const PLAIN = { subfolder: "models", weightName: "ip-adapter_sd15.safetensors" };
const PLUS = { subfolder: "models", weightName: "ip-adapter-plus_sd15.safetensors" };
const BOTH = { subfolder: "models", weightName: [PLAIN.weightName, PLUS.weightName] };
const picture = { width: 5, height: 4, channels: 3, data: Uint8Array.from({ length: 60 }, (_, i) => (i * 37) % 256) } as const;
const CALL = { prompt: "a fox", numInferenceSteps: 2, guidanceScale: 3, seed: 1, outputType: "latent" } as const;
const device = "cpu";

let pipe: StableDiffusionPipeline;
beforeAll(async () => {
  pipe = await StableDiffusionPipeline.fromPretrained(checkpoint("sd1-mini"), { device });
});
afterAll(() => pipe.dispose());

const latents = async (call: object) => (await pipe.generate({ ...CALL, ...call })).images.toArray();

describe("IP-Adapters", () => {
  it("change nothing at scale 0 and when they are unloaded", async () => {
    const plain = await latents({});
    await pipe.loadIPAdapter(ROOT, PLAIN);
    const prompted = await latents({ ipAdapterImage: picture });
    pipe.setIPAdapterScale(0);
    const silent = await latents({ ipAdapterImage: picture });
    await pipe.unloadIPAdapter();
    expect(prompted).not.toEqual(plain);
    expectClose(Tensor.from(silent), Tensor.from(plain), 1e-5);
    expect(await latents({})).toEqual(plain);
    expect([pipe.imageEncoder, pipe.unet.encoderHidProj]).toEqual([null, null]);
  });

  it("load from a file, with the image encoder beside it", async () => {
    await pipe.loadIPAdapter(ROOT, PLAIN);
    const fromFolder = await latents({ ipAdapterImage: picture });
    await pipe.unloadIPAdapter();
    await pipe.loadIPAdapter(`${ROOT}/models/ip-adapter_sd15.safetensors`);
    expect(await latents({ ipAdapterImage: picture })).toEqual(fromFolder);
  });

  it("take embeddings made before in place of pictures, for any number of pictures", async () => {
    await pipe.loadIPAdapter(ROOT, BOTH);
    pipe.setIPAdapterScale([0.8, 0.3]);
    const ipAdapterImage = [[picture, picture], picture];
    const ipAdapterImageEmbeds = await pipe.prepareIPAdapterImageEmbeds({ ipAdapterImage });
    expect(ipAdapterImageEmbeds.map(({ shape }) => shape)).toEqual([
      [2, 2, 24],
      [2, 1, 17, 32],
    ]);
    const call = { prompt: ["a fox", "a tree"], numImagesPerPrompt: 2 };
    expect(await latents({ ...call, ipAdapterImageEmbeds })).toEqual(await latents({ ...call, ipAdapterImage }));
    const unguided = await pipe.prepareIPAdapterImageEmbeds({ ipAdapterImage, doClassifierFreeGuidance: false, numImagesPerPrompt: 3 });
    expect(unguided.map(({ shape }) => shape[0])).toEqual([3, 3]);
  });

  it("change the scale without another session", async () => {
    await pipe.loadIPAdapter(ROOT, PLAIN);
    const whole = await latents({ ipAdapterImage: picture });
    pipe.setIPAdapterScale({ down: 1, mid: 1, up: { block_1: [1, 1] } });
    expect(await latents({ ipAdapterImage: picture })).toEqual(whole);
    pipe.setIPAdapterScale({ up: { block_1: [0, 1] } });
    expect(await latents({ ipAdapterImage: picture })).not.toEqual(whole);
    pipe.setIPAdapterScale(1);
    expect(await latents({ ipAdapterImage: picture })).toEqual(whole);
  });

  it("act beside LoRAs, step caching, attention slices and in pipelines that share the UNet", async () => {
    await pipe.loadIPAdapter(ROOT, PLAIN);
    const call = { ipAdapterImage: picture, numInferenceSteps: 4 };
    const whole = await latents(call);
    expect(await latents({ ...call, cache: { interval: 1 } })).toEqual(whole);
    expect(await latents({ ...call, cache: { interval: 2 } })).not.toEqual(whole);
    pipe.enableAttentionSlicing(1);
    expectClose(Tensor.from(await latents(call)), Tensor.from(whole), 1e-4);
    pipe.disableAttentionSlicing();
    const other = await StableDiffusionImg2ImgPipeline.fromPipe(pipe);
    const image = Tensor.full([1, 3, 32, 32], 0.4);
    const prompted = (await other.generate({ ...CALL, image, ipAdapterImage: picture })).images;
    other.setIPAdapterScale(0);
    expect((await other.generate({ ...CALL, image, ipAdapterImage: picture })).images.toArray()).not.toEqual(prompted.toArray());
    await other.dispose();
  });

  it("load the LoRA that a file of FaceID has", async () => {
    await pipe.loadIPAdapter(ROOT, { subfolder: "models", weightName: "ip-adapter-faceid_sd15.safetensors", imageEncoderFolder: null });
    expect(pipe.getActiveAdapters()).toEqual(["faceid_0"]);
    await pipe.unloadIPAdapter();
    pipe.unloadLoraWeights();
  });

  it("of FaceID Plus take embeddings of identities, and features of the picture", async () => {
    const weightName = "ip-adapter-faceid-plus_sd15.safetensors";
    await pipe.loadIPAdapter(ROOT, { subfolder: "models", weightName });
    const ipAdapterImageEmbeds = [Tensor.full([2, 1, 20], 0.3)];
    await expect(latents({ ipAdapterImageEmbeds })).rejects.toThrow(/FaceID Plus\) also needs the image encoder's features/);
    await expect(latents({ ipAdapterImage: picture })).rejects.toThrow(/takes the embedding of a face's identity/);
    const projection = pipe.unet.encoderHidProj?.imageProjectionLayers[0] as IPAdapterFaceIDPlusImageProjection;
    [projection.clipEmbeds] = await pipe.prepareIPAdapterImageEmbeds({ ipAdapterImage: picture });
    const without = await latents({ ipAdapterImageEmbeds });
    expect(without).not.toEqual(await latents({ ipAdapterImageEmbeds: [Tensor.full([2, 1, 20], -0.3)] }));
    await pipe.unloadIPAdapter();
  });

  it("use an image encoder that the caller gives", async () => {
    await using imageEncoder = await CLIPVisionModelWithProjection.fromPretrained(ROOT, { device, subfolder: "models/image_encoder" });
    await using own = await StableDiffusionPipeline.fromPretrained(checkpoint("sd1-mini"), { device, imageEncoder });
    await own.loadIPAdapter(ROOT, { ...PLAIN, imageEncoderFolder: "nowhere" });
    expect(own.imageEncoder).toBe(imageEncoder);
    const { images } = await own.generate({ ...CALL, ipAdapterImage: picture });
    await pipe.loadIPAdapter(ROOT, PLAIN);
    expect(await latents({ ipAdapterImage: picture })).toEqual(images.toArray());
  });

  it("keep what was loaded if the next cannot be loaded", async () => {
    await pipe.loadIPAdapter(ROOT, PLAIN);
    const before = await latents({ ipAdapterImage: picture });
    await expect(pipe.loadIPAdapter(ROOT, { subfolder: "sdxl_models", weightName: "ip-adapter_sdxl.safetensors" })).rejects.toThrow(
      /this IP-Adapter has 8 cross-attention layers of width 64; the UNet has 4 of width 32/,
    );
    expect(await latents({ ipAdapterImage: picture })).toEqual(before);
  });
});

describe("IP-Adapters refuse", () => {
  beforeAll(async () => {
    await pipe.loadIPAdapter(ROOT, BOTH);
  });

  const mask = Tensor.full([1, 1, 32, 32], 1);
  it.each([
    ["no picture", {}, /^the UNet has 2 IP-Adapter\(s\); ipAdapterImage is missing$/],
    ["one picture for two adapters", { ipAdapterImage: picture }, /^ipAdapterImage is for 1 IP-Adapter; 2 are loaded$/],
    ["pictures and embeddings", { ipAdapterImage: [picture, picture], ipAdapterImageEmbeds: [mask, mask] }, /^both ipAdapterImage and/],
    ["embeddings for one", { ipAdapterImageEmbeds: [mask] }, /^ipAdapterImageEmbeds is for 1 IP-Adapter; 2 are loaded$/],
    [
      "embeddings of another shape",
      { ipAdapterImageEmbeds: [Tensor.zeros([2, 24]), mask] },
      /^ipAdapterImageEmbeds has a Tensor \[2, 24\]/,
    ],
    [
      "embeddings without rows for the negative prompt",
      { ipAdapterImageEmbeds: [Tensor.zeros([1, 1, 24]), Tensor.zeros([2, 1, 17, 32])] },
      /^ipAdapterImageEmbeds has 1 row; with guidance an even number/,
    ],
    [
      "embeddings of another encoder",
      { ipAdapterImageEmbeds: [Tensor.zeros([2, 1, 25]), Tensor.zeros([2, 1, 17, 32])] },
      /embeddings are \[2, 1, 25\]; this one expects \[rows, pictures, 24\]$/,
    ],
    ["one mask", { ipAdapterImage: [picture, picture], ipAdapterMasks: [mask] }, /^1 mask was given for 2 IP-Adapters/],
    [
      "masks for other pictures",
      { ipAdapterImage: [picture, [picture, picture]], ipAdapterMasks: [null, mask] },
      /mask is \[1, 1, 32, 32\]; expected \[1, 2, height, width\]/,
    ],
    ["something else as pictures", { ipAdapterImage: 7 }, /^ipAdapterImage is 7/],
  ])("%s", async (_, call, message) => {
    await expect(latents(call)).rejects.toThrow(message);
  });

  it.each([
    [0.5, /^1 scale was given for 2 IP-Adapters/],
    [[1, { down: { block_1: 1 } }], /^scale has down.block_1 \(1\); the UNet's blocks with transformers on the way down are block_0$/],
    [[1, { up: { block_1: [1, 1, 1] } }], /^scale has 3 numbers in up.block_1; expected 2/],
    [[1, { middle: 1 }], /^scale has middle; an IP-Adapter's scale has down, mid and up$/],
    [[1, "strong"], /scale is "strong"/],
  ])("the scale %j", (scale, message) => {
    expect(() => pipe.setIPAdapterScale(scale as never)).toThrow(message);
  });

  it("a list of scales without masks, and with other masks", async () => {
    pipe.setIPAdapterScale([[0.5, 1], 1]);
    const ipAdapterImage = [[picture, picture], picture];
    await expect(latents({ ipAdapterImage })).rejects.toThrow(/a list of 2 scales, which are for pictures with masks/);
    pipe.setIPAdapterScale([[0.5, 1, 0], 1]);
    const ipAdapterMasks = [Tensor.full([1, 2, 32, 32], 1), null];
    await expect(latents({ ipAdapterImage, ipAdapterMasks })).rejects.toThrow(/has 3 scales for its pictures, and 2 masks/);
    pipe.setIPAdapterScale([1, 1]);
  });

  it("pictures without an adapter, masks too", async () => {
    await pipe.unloadIPAdapter();
    await expect(latents({ ipAdapterImage: picture })).rejects.toMatchObject({
      message: "ipAdapterImage was given; this pipeline has no IP-Adapter",
      argument: "ipAdapterImage",
    });
    await expect(latents({ ipAdapterMasks: mask })).rejects.toThrow(/^ipAdapterMasks was given; this pipeline has no/);
    expect(() => pipe.setIPAdapterScale(1)).toThrow("no IP-Adapter is loaded");
  });

  it.each([
    [
      "a source without an image encoder",
      ROOT,
      { ...PLAIN, imageEncoderFolder: "encoder" },
      /models\/encoder does not exist; an IP-Adapter needs/,
    ],
    ["a pickle", ROOT, { subfolder: "models", weightName: "ip-adapter_sd15.bin" }, /ip-adapter_sd15.bin is a pickle/],
    ["several files", ROOT, { subfolder: "models" }, /has \d files that may be the IP-Adapter/],
    ["a checkpoint's weights", `${checkpoint("sd1-mini")}/unet`, {}, /has no tensors image_proj|is a checkpoint|a UNet/],
    ["lists of different lengths", [ROOT, ROOT], { weightName: ["a", "b", "c"] }, /^2 were given as source for 3 IP-Adapters/],
    ["a scale", ROOT, { ...PLAIN, scale: 0.5 }, /scale/],
  ])("%s", async (_, source, options, message) => {
    await expect(pipe.loadIPAdapter(source as string, options as never)).rejects.toThrow(message);
    expect(pipe.unet.ipAdapters.count).toBe(0);
  });

  it("being loaded as a LoRA, with the method that loads them", async () => {
    await expect(pipe.loadLoraWeights(`${ROOT}/models/ip-adapter-faceid_sd15.safetensors`)).rejects.toMatchObject({
      message: expect.stringMatching(/is an IP-Adapter, not a LoRA$/),
      hint: expect.stringMatching(/loadIPAdapter/),
    });
  });
});

describe("masks", () => {
  it("can be pictures: they are resized to the result's size", async () => {
    await using xl = await StableDiffusionXLPipeline.fromPretrained(checkpoint("sdxl-base-mini"), { device });
    await xl.loadIPAdapter(ROOT, { subfolder: "sdxl_models", weightName: "ip-adapter_sdxl.safetensors" });
    const half = (size: number) => Uint8Array.from({ length: size * size }, (_, i) => (i % size < size / 2 ? 255 : 0));
    const tensor = Tensor.from(
      Float32Array.from(half(32), (value) => value / 255),
      [1, 1, 32, 32],
    );
    const call = { ...CALL, ipAdapterImage: picture };
    const asTensor = await xl.generate({ ...call, ipAdapterMasks: [tensor] });
    const asPicture = await xl.generate({ ...call, ipAdapterMasks: [{ width: 64, height: 64, channels: 1, data: half(64) }] });
    expectClose(asPicture.images, asTensor.images, 1e-5);
    const everywhere = await xl.generate(call);
    expect(asPicture.images.toArray()).not.toEqual(everywhere.images.toArray());
  });
});
