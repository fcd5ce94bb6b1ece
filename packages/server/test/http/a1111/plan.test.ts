import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { planImg2Img, planTxt2Img } from "../../../src/http/a1111/plan.js";
import { readSettings, type Settings } from "../../../src/http/a1111/settings.js";
import { DEFAULT_LIMITS } from "../../../src/http/limits.js";
import { FAKE_MODELS, pngFile } from "../test-server.js";

const none: Settings = { ignored: [], warnings: [] };

function txt2img(body: object, settings = none) {
  return planTxt2Img({ prompt: "a fox", ...body }, { models: FAKE_MODELS, limits: DEFAULT_LIMITS, settings });
}

async function img2img(body: object) {
  const init_images = [(await pngFile(32, 16)).toString("base64")];
  return planImg2Img({ prompt: "a fox", init_images, ...body }, { models: FAKE_MODELS, limits: DEFAULT_LIMITS, settings: none });
}

async function requestOf(plan: ReturnType<typeof txt2img>) {
  return (await plan).rounds[0]?.[0]?.request;
}

/** Size and grey values of a picture in a request. */
async function pixels(base64: unknown) {
  const { data, info } = await sharp(Buffer.from(String(base64), "base64"))
    .greyscale()
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, at: (x: number, y: number) => data[(y * info.width + x) * info.channels] };
}

async function maskPng(): Promise<string> {
  const white = { create: { width: 8, height: 8, channels: 3 as const, background: "white" } };
  const mask = sharp({ create: { width: 32, height: 16, channels: 3, background: "black" } });
  return (
    await mask
      .composite([{ input: await sharp(white).png().toBuffer(), left: 0, top: 0 }])
      .png()
      .toBuffer()
  ).toString("base64");
}

describe("a field of txt2img", () => {
  it.each([
    [{ prompt: "a (red:1.2) fox <lora:fox:0.8>" }, { prompt: "a (red:1.2) fox <lora:fox:0.8>", promptSyntax: "a1111" }],
    [{ negative_prompt: "blue" }, { negativePrompt: "blue" }],
    [{ steps: 4 }, { numInferenceSteps: 4 }],
    [{ steps: "4" }, { numInferenceSteps: 4 }],
    [{ cfg_scale: 4.5 }, { guidanceScale: 4.5 }],
    [
      { width: 128, height: 64 },
      { width: 128, height: 64 },
    ],
    [{ seed: 7 }, { seed: "7" }],
    [{ seed: "18446744073709551615" }, { seed: "18446744073709551615" }],
    [{ seed: -2 }, { seed: "18446744073709551614" }],
    [{ batch_size: 3 }, { numImagesPerPrompt: 3 }],
    [{ sampler_name: "Euler a" }, { scheduler: "EulerAncestralDiscreteScheduler", timestepSpacing: "linspace" }],
    [{ sampler_index: "Euler a" }, { scheduler: "EulerAncestralDiscreteScheduler" }],
    [{ sampler_name: "Euler", scheduler: "karras" }, { schedulerConfig: { useKarrasSigmas: true } }],
    [{ override_settings: { CLIP_stop_at_last_layers: 2 } }, { clipSkip: 1 }],
    [{ override_settings: { sd_vae: "sharp-vae.safetensors" } }, { vae: "sharp-vae" }],
    [
      { refiner_checkpoint: "other", refiner_switch_at: 0.7 },
      { refiner: "other", denoisingEnd: 0.7 },
    ],
  ])("%j is %j of our request", async (body, expected) => {
    const plan = await txt2img(body);
    expect(plan.rounds[0]?.[0]?.request).toMatchObject(expected);
    expect(plan.warnings).toEqual([]);
  });

  it("that is missing or null leaves the model's own value", async () => {
    const request = await requestOf(txt2img({ steps: null, cfg_scale: null, width: null, sampler_name: null }));
    expect(request).toEqual({ prompt: "a fox", promptSyntax: "a1111", seed: expect.stringMatching(/^\d+$/), numImagesPerPrompt: 1 });
  });

  it.each([{ seed: -1 }, { seed: null }, {}])("%j is a random seed, drawn before the first round", async (body) => {
    const { rounds, seed } = await txt2img({ ...body, n_iter: 2, batch_size: 2 });
    expect(rounds.map(([job]) => job?.request.seed)).toEqual([String(seed), String(seed + 2n)]);
  });

  it("n_iter makes rounds of batch_size pictures, with seeds in a row", async () => {
    const { rounds } = await txt2img({ seed: 10, n_iter: 3, batch_size: 2 });
    expect(rounds.map((round) => round.map(({ request }) => [request.seed, request.numImagesPerPrompt]))).toEqual([
      [["10", 2]],
      [["12", 2]],
      [["14", 2]],
    ]);
  });

  it.each([
    ["other", "other"],
    ["other.safetensors [abcdef0123]", "other"],
    ["sd/OTHER.ckpt", "other"],
    [undefined, "emoji-128"],
  ])("sd_model_checkpoint %s of the overrides is the model %s", async (title, model) => {
    const plan = await txt2img({ override_settings: { sd_model_checkpoint: title } });
    expect(plan.rounds[0]?.[0]?.model).toBe(model);
  });

  it("overrides win over the caller's options", async () => {
    const settings = readSettings({ sd_model_checkpoint: "other", CLIP_stop_at_last_layers: 3 }, FAKE_MODELS, "options");
    const plan = await txt2img({ override_settings: { CLIP_stop_at_last_layers: 1 } }, settings);
    expect(plan.rounds[0]?.[0]).toMatchObject({ model: "other", request: expect.not.objectContaining({ clipSkip: expect.anything() }) });
  });

  it.each([
    [{ restore_faces: true }, "restore_faces has no effect: there is no face restorer"],
    [{ tiling: true }, "tiling has no effect: pictures do not tile"],
    [{ styles: ["ink"] }, "styles has no effect: the server keeps no styles; write them into the prompt"],
    [{ subseed_strength: 0.2 }, "subseed_strength has no effect: there are no variations of a seed"],
    [{ s_churn: 1 }, "s_churn has no effect: samplers work without churn"],
    [{ eta: 0.3, sampler_name: "Euler a" }, "eta has no effect: samplers use their own eta"],
    [{ eta: 0, sampler_name: "k_euler_a" }, "eta has no effect: samplers use their own eta"],
    [{ eta: 1.5, sampler_index: "DPM++ SDE Karras" }, "eta has no effect: samplers use their own eta"],
    [{ eta: 1, sampler_name: "DDIM" }, "eta has no effect: samplers use their own eta"],
    [{ width: 100 }, "width 100 is made 96, a multiple of 8"],
    [{ override_settings: { eta_noise_seed_delta: 31337 } }, "override_settings.eta_noise_seed_delta has no effect here"],
    [{ override_settings: { sd_vae: "none.pt" } }, 'sd_vae "none.pt" is not on this server; the model\'s own autoencoder works instead'],
  ])("%j is a warning", async (body, warning) => {
    expect((await txt2img(body)).warnings).toEqual([warning]);
  });

  it.each([
    [{ script_name: "X/Y/Z plot" }, 422, /^Script "X\/Y\/Z plot" not found/],
    [{ alwayson_scripts: { ADetailer: { args: [true] } } }, 422, /^always on script ADetailer not found/],
    [{ override_settings: { sd_model_checkpoint: "othr" } }, 404, /^Model "othr" not found/],
    [{ override_settings: { sd_model_checkpoint: "nope" } }, 404, /^Model "nope" not found/],
    [{ override_settings: { sd_model_checkpoint: `${" ".repeat(1_000_000)}x` } }, 404, /^Model " +" not found/],
    [{ n_iter: 101 }, 400, /maxBatch/],
    [{ seed: "18446744073709551615", n_iter: 2 }, 400, /^seed is 18446744073709551615; expected seeds up to 2\^64 - 1 for 2 pictures/],
    [{ seed: -2, n_iter: 3 }, 400, /^seed is -2/],
    [{ alwayson_scripts: { foo: {} } }, 422, /^always on script foo not found/],
    [{ alwayson_scripts: { foo: 5 } }, 422, /^always on script foo not found/],
    [{ alwayson_scripts: { ControlNet: { args: [5] } } }, 422, /^alwayson_scripts\.ControlNet\.args\[0\] is 5; expected a unit/],
    [{ alwayson_scripts: { ControlNet: { args: [null, "canny"] } } }, 422, /^alwayson_scripts\.ControlNet\.args\[1\] is "canny"/],
    [{ override_settings: { CLIP_stop_at_last_layers: 13 } }, 422, /^CLIP_stop_at_last_layers is 13; expected 1 to 12/],
    [{ enable_hr: true, hr_scale: 0 }, 422, /^hr_scale is 0; expected a number above 0/],
    [{ enable_hr: true, hr_scale: -2 }, 422, /^hr_scale is -2/],
    [{ steps: "many" }, 422, /^steps: value is not a valid number/],
    [{ batch_size: 0 }, 422, /^batch_size: value must be at least 1/],
    [{ enable_hr: true, hr_upscaler: "R-ESRGAN 4x+" }, 400, /^Upscaler not found: this server has none called "R-ESRGAN 4x\+"/],
    [{ enable_hr: true, width: 1024, height: 1024, hr_scale: 4 }, 400, /4096x4096.*maxPixels/],
    [{ alwayson_scripts: { controlnet: { args: [{ model: "canny", image: "" }] } } }, 404, /^ControlNet model "canny" not found/],
  ])("%j is refused", async (body, status, message) => {
    await expect(txt2img(body)).rejects.toMatchObject({ status, message: expect.stringMatching(message) });
  });

  it("of another script that is off, or of no script, says nothing", async () => {
    const alwayson_scripts = { ADetailer: { args: [] }, Refiner: { args: [false, "", 0.8] }, ControlNet: { args: [] } };
    expect((await txt2img({ alwayson_scripts, script_name: "None", script_args: [] })).warnings).toEqual([]);
  });
});

describe("hires fix", () => {
  const body = { enable_hr: true, steps: 20, width: 64, height: 32, denoising_strength: 0.5, seed: 1, hr_upscaler: "Lanczos" };
  /** What makes its second pass a job of its own. */
  const own = { hr_prompt: "a wolf" };

  it.each([
    ["Lanczos", {}, { scale: 2, upscaler: "lanczos" }],
    ["none", {}, { scale: 2, upscaler: "lanczos" }],
    ["nearest", { hr_scale: 1.5 }, { scale: 1.5, upscaler: "nearest" }],
    [undefined, {}, { scale: 2, upscaler: "latent" }],
    ["Latent (bicubic antialiased)", { hr_second_pass_steps: 5 }, { scale: 2, steps: 5, upscaler: "latent-bicubic-antialiased" }],
    ["Latent (nearest-exact)", { hr_scale: 10 }, { width: 640, height: 320, upscaler: "latent-nearest-exact" }],
    ["4X-fine", { hr_resize_x: 200, hr_resize_y: 100 }, { width: 200, height: 96, upscaler: "4x-fine" }],
    ["Lanczos", { hr_resize_y: 256, hr_sampler_name: "Use same sampler" }, { width: 512, height: 256, upscaler: "lanczos" }],
  ])("with the first pass's settings is a part of its job: %s %j", async (hr_upscaler, more, hires) => {
    const { rounds, hires: pass, warnings } = await txt2img({ ...body, hr_upscaler, ...more });
    expect(rounds[0]?.[0]?.request.hires).toEqual({ strength: 0.5, ...hires });
    expect([pass, warnings]).toEqual([undefined, []]);
  });

  it("with an upscaler's network enlarges in the job of the second pass", async () => {
    const { hires } = await txt2img({ ...body, ...own, hr_upscaler: "4x-fine" });
    expect(hires?.enlarges).toBe(true);
    const { request } = (await hires?.job({ image: "abcd", size: { width: 128, height: 64 }, seed: "1", steps: 20 })) ?? {};
    expect(request).toMatchObject({
      prompt: "a wolf",
      image: "abcd",
      hires: { width: 128, height: 64, strength: 0.5, steps: 20, upscaler: "4x-fine" },
    });
    expect(request).not.toHaveProperty("strength");
  });

  it("repaints the larger picture with its own prompt, and the sampler and the model of the first", async () => {
    const { hires, warnings } = await txt2img({ ...body, ...own, sampler_name: "Euler", negative_prompt: "blue" });
    expect(hires?.size({ width: 64, height: 32 })).toEqual({ width: 128, height: 64 });
    expect(await hires?.job({ image: "abcd", size: { width: 128, height: 64 }, seed: "1", steps: 20 })).toEqual({
      model: "emoji-128",
      request: {
        prompt: "a wolf",
        negativePrompt: "blue",
        promptSyntax: "a1111",
        scheduler: "EulerDiscreteScheduler",
        timestepSpacing: "linspace",
        image: "abcd",
        strength: 0.5,
        numInferenceSteps: 40,
        seed: "1",
      },
    });
    expect(warnings).toEqual([]);
  });

  it.each([
    [{ hr_scale: 1.5 }, { width: 96, height: 48 }],
    [{ hr_resize_x: 256 }, { width: 256, height: 128 }],
    [{ hr_resize_y: 256 }, { width: 512, height: 256 }],
    [
      { hr_resize_x: 200, hr_resize_y: 100 },
      { width: 200, height: 96 },
    ],
  ])("%j makes 64x32 %j", async (more, size) => {
    expect((await txt2img({ ...body, ...own, ...more })).hires?.size({ width: 64, height: 32 })).toEqual(size);
  });

  it("takes a prompt, a sampler, steps and a model of its own", async () => {
    const more = {
      hr_prompt: "a wolf",
      hr_sampler_name: "Heun",
      hr_scheduler: "karras",
      hr_checkpoint_name: "other",
      hr_second_pass_steps: 5,
    };
    const { hires } = await txt2img({ ...body, ...more });
    const request = {
      prompt: "a wolf",
      scheduler: "HeunDiscreteScheduler",
      schedulerConfig: { useKarrasSigmas: true },
      numInferenceSteps: 10,
    };
    expect(await hires?.job({ image: "abcd", size: { width: 128, height: 64 }, seed: "1", steps: 20 })).toMatchObject({
      model: "other",
      request,
    });
  });

  it("of latents is by Lanczos where it is a job of its own, with a warning", async () => {
    const { hires, warnings } = await txt2img({ ...body, ...own, hr_upscaler: "Latent" });
    expect(warnings).toEqual([expect.stringMatching(/^hr_upscaler Latent: .* has no latents; Lanczos is used$/)]);
    expect(hires?.settings({ width: 64, height: 32 }, 20)).toMatchObject({
      "Hires upscaler": "Lanczos",
      "Hires upscale": "2",
      "Hires steps": "20",
    });
  });

  it("with strength 0 only makes the picture larger", async () => {
    const { hires } = await txt2img({ ...body, ...own, denoising_strength: 0 });
    expect(await hires?.job({ image: "abcd", size: { width: 128, height: 64 }, seed: "1", steps: 20 })).toBeUndefined();
  });
});

describe("a field of img2img", () => {
  it("init_images is the picture, brought to width and height, and denoising_strength the strength", async () => {
    const request = await requestOf(img2img({ width: 64, height: 64, denoising_strength: 0.6 }));
    expect(await pixels(request?.image)).toMatchObject({ width: 64, height: 64 });
    expect(request).toMatchObject({ strength: 0.6 });
    expect(request).not.toHaveProperty("maskImage");
  });

  it("denoising_strength is 0.75 by default, as in the web UI, and the size the picture's", async () => {
    const request = await requestOf(img2img({}));
    expect(request?.strength).toBe(0.75);
    expect(await pixels(request?.image)).toMatchObject({ width: 32, height: 16 });
  });

  it.each([
    [0, [2, 2]],
    [1, [2, 2]],
    [2, [2, 2]],
  ])("resize_mode %i fits a picture of other proportions in", async (resize_mode) => {
    expect(await pixels((await requestOf(img2img({ width: 64, height: 64, resize_mode })))?.image)).toMatchObject({
      width: 64,
      height: 64,
    });
  });

  it("resize_mode 1 cuts off what is over, 0 squeezes it in", async () => {
    const half = await sharp({ create: { width: 32, height: 16, channels: 3, background: "black" } })
      .composite([{ input: await pngFile(8, 16), left: 0, top: 0 }])
      .png()
      .toBuffer();
    const init_images = [half.toString("base64")];
    const cut = await pixels((await requestOf(img2img({ init_images, width: 64, height: 64, resize_mode: 1 })))?.image);
    const squeezed = await pixels((await requestOf(img2img({ init_images, width: 64, height: 64, resize_mode: 0 })))?.image);
    expect([cut.at(20, 32), squeezed.at(4, 32)]).toEqual([0, expect.any(Number)]);
    expect(squeezed.at(4, 32)).toBeGreaterThan(30);
  });

  it("mask with inpaint_full_res works around the mask, with its padding, at width and height", async () => {
    const request = await requestOf(
      img2img({ mask: await maskPng(), mask_blur: 0, inpaint_full_res_padding: 4, width: 64, height: 64, inpainting_fill: 1 }),
    );
    expect(request).toMatchObject({ paddingMaskCrop: 4, width: 64, height: 64 });
    const mask = await pixels(request?.maskImage);
    expect([mask.width, mask.height, mask.at(4, 4), mask.at(20, 4)]).toEqual([32, 16, 255, 0]);
  });

  it("mask without inpaint_full_res works on the whole picture and puts back what the mask leaves", async () => {
    const request = await requestOf(img2img({ mask: await maskPng(), mask_blur: 0, inpaint_full_res: false, width: 64, height: 32 }));
    expect(request).toMatchObject({ paddingMaskCrop: 64, width: 64, height: 32 });
    expect(await pixels(request?.image)).toMatchObject({ width: 64, height: 32 });
    expect(await pixels(request?.maskImage)).toMatchObject({ width: 64, height: 32 });
  });

  it("inpainting_mask_invert repaints the rest, and mask_blur softens the edge", async () => {
    const request = await requestOf(img2img({ mask: await maskPng(), mask_blur: 2, inpainting_mask_invert: 1 }));
    const mask = await pixels(request?.maskImage);
    expect([mask.at(0, 0), mask.at(31, 0)]).toEqual([0, 255]);
    expect(mask.at(7, 4)).toBeGreaterThan(30);
  });

  it("a mask with transparent parts is its opacity", async () => {
    const mask = await sharp({ create: { width: 32, height: 16, channels: 4, background: { r: 255, g: 255, b: 255, alpha: 0 } } })
      .composite([{ input: await pngFile(8, 8), left: 0, top: 0 }])
      .png()
      .toBuffer();
    const request = await requestOf(img2img({ mask: mask.toString("base64"), mask_blur: 0 }));
    const read = await pixels(request?.maskImage);
    expect([read.at(4, 4), read.at(20, 4)]).toEqual([255, 0]);
  });

  it("denoising_strength of less than a step takes one, as the web UI", async () => {
    for (let steps = 1; steps <= 150; steps++) {
      const plan = await img2img({ steps, denoising_strength: 0 });
      expect(Math.floor(steps * (plan.rounds[0]?.[0]?.request.strength ?? 0))).toBe(1);
      expect(plan.warnings).toEqual([`denoising_strength 0 of ${steps} steps is less than a step; one step is taken`]);
    }
  });

  it("several init_images are a picture each, with seeds in a row", async () => {
    const png = (await pngFile(16, 16)).toString("base64");
    const { rounds } = await img2img({ init_images: [png, png], batch_size: 4, seed: 5 });
    expect(rounds.map((round) => round.map(({ request }) => [request.seed, request.numImagesPerPrompt]))).toEqual([
      [
        ["5", 1],
        ["6", 1],
      ],
    ]);
  });

  it.each([
    [{ init_images: [] }, /^Init image not found/],
    [{ init_images: ["file:///etc/passwd"] }, /is an address; the server reads no files/],
    [{ init_images: ["http://127.0.0.1/a.png"] }, /is an address; the server reads no files/],
    [{ init_images: ["aGVsbG8="] }, /is not a picture that can be read/],
    [{ resize_mode: 4 }, /^resize_mode is 4/],
  ])("%j is refused", async (body, message) => {
    await expect(img2img(body)).rejects.toThrow(message);
  });

  it.each([
    [{ inpainting_fill: 0 }, 'inpainting_fill has no effect: the masked part starts from "original" (1)'],
    [{ inpainting_fill: 1, initial_noise_multiplier: 0.9 }, "initial_noise_multiplier has no effect: noise has strength 1"],
  ])("%j is a warning beside a mask", async (body, warning) => {
    expect((await img2img({ mask: await maskPng(), ...body })).warnings).toEqual([warning]);
  });
});
