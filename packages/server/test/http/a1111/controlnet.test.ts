import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { planImg2Img, planTxt2Img } from "../../../src/http/a1111/plan.js";
import { DEFAULT_LIMITS } from "../../../src/http/limits.js";
import { FAKE_MODELS, pngFile } from "../test-server.js";

const context = { models: FAKE_MODELS, limits: DEFAULT_LIMITS, settings: { ignored: [], warnings: [] } };

const NET = "control_v11p_sd15_canny";

function unitsOf(...units: object[]) {
  return { alwayson_scripts: { ControlNet: { args: units.map((unit) => ({ model: `${NET} [d14c016b]`, ...unit })) } } };
}

const picture = async (width: number, height: number, background = "red") =>
  (
    await sharp({ create: { width, height, channels: 3, background } })
      .png()
      .toBuffer()
  ).toString("base64");

async function img2img(body: object) {
  return planImg2Img({ prompt: "a fox", init_images: [await picture(32, 16)], ...body }, context);
}

const txt2img = (body: object) => planTxt2Img({ prompt: "a fox", width: 64, height: 32, ...body }, context);

type Plan = Awaited<ReturnType<typeof txt2img>>;

const requestsOf = ({ rounds }: Plan) => rounds.flat().map(({ request }) => request);

/** Size and first pixel of a picture in a request. */
async function facts(image: unknown) {
  const { data, info } = await sharp(Buffer.from(String(image), "base64"))
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, pixel: [...data.subarray(0, 3)] };
}

const controlsIn = async (plan: Plan, job = 0) =>
  Promise.all(((requestsOf(plan)[job]?.controlImage ?? []) as readonly string[]).map((image) => facts(image)));

const [RED, BLUE] = [
  [255, 0, 0],
  [0, 0, 255],
];

describe("ControlNet beside a picture to start from", () => {
  it("follows that picture, at the size of the picture to make, if the unit has none", async () => {
    const plan = await img2img({ width: 64, height: 64, denoising_strength: 0.6, ...unitsOf({ weight: 0.7 }) });
    expect(requestsOf(plan)).toMatchObject([{ controlnet: [NET], controlnetConditioningScale: [0.7], strength: 0.6 }]);
    expect(await controlsIn(plan)).toEqual([{ width: 64, height: 64, pixel: RED }]);
    expect(plan.warnings).toEqual([]);
  });

  it.each([{ image: null }, { image: "" }, { input_image: "" }])("%j is no picture of the unit", async (unit) => {
    expect(await controlsIn(await img2img(unitsOf(unit)))).toEqual([{ width: 32, height: 16, pixel: RED }]);
  });

  it("follows the unit's own picture, fitted in by the unit's resize_mode", async () => {
    // Blue in the middle, white at the sides.
    const image = (
      await sharp({ create: { width: 64, height: 16, channels: 3, background: "white" } })
        .composite([{ input: Buffer.from(await picture(32, 16, "blue"), "base64"), left: 16, top: 0 }])
        .png()
        .toBuffer()
    ).toString("base64");
    const modes = ["Crop and Resize", 0, "ResizeMode.OUTER_FIT", "Scale to Fit (Inner Fit)", undefined];
    const plan = await img2img({ resize_mode: 0, ...unitsOf(...modes.map((resize_mode) => ({ image, resize_mode }))) });
    const white = [255, 255, 255];
    expect((await controlsIn(plan)).map(({ width, height, pixel }) => [width, height, pixel])).toEqual(
      [BLUE, white, white, BLUE, BLUE].map((pixel) => [32, 16, pixel]),
    );
  });

  it("follows each of several pictures to start from in its own job", async () => {
    const init_images = [await picture(16, 16), await picture(16, 16, "blue")];
    const plan = await img2img({ init_images, n_iter: 2, ...unitsOf({}, { image: await picture(8, 8, "white") }) });
    expect(requestsOf(plan)).toHaveLength(4);
    expect((await controlsIn(plan, 0)).map(({ pixel }) => pixel)).toEqual([RED, [255, 255, 255]]);
    expect((await controlsIn(plan, 1)).map(({ pixel }) => pixel)).toEqual([BLUE, [255, 255, 255]]);
    expect((await controlsIn(plan, 3)).map(({ pixel }) => pixel)).toEqual([BLUE, [255, 255, 255]]);
  });

  it("has the size of the picture to start from where only the masked part is worked on: it is cut like that one", async () => {
    const mask = await picture(32, 16, "white");
    const body = { mask, inpainting_fill: 1, inpaint_full_res_padding: 4, width: 64, height: 64 };
    const plan = await img2img({ ...body, ...unitsOf({ image: await picture(8, 8, "blue") }) });
    expect(requestsOf(plan)).toMatchObject([{ paddingMaskCrop: 4, width: 64, height: 64, maskImage: expect.any(String) }]);
    expect(await controlsIn(plan)).toEqual([{ width: 32, height: 16, pixel: BLUE }]);
    expect(plan.warnings).toEqual([]);
  });

  it("has the size of the picture to make where the whole picture is worked on", async () => {
    const body = { mask: await picture(32, 16, "white"), inpainting_fill: 1, inpaint_full_res: false, width: 64, height: 64 };
    expect(await controlsIn(await img2img({ ...body, ...unitsOf({}) }))).toEqual([{ width: 64, height: 64, pixel: RED }]);
  });

  it("warns of what it does otherwise around a mask", async () => {
    const mask = await picture(32, 16, "white");
    const units = unitsOf({}, { module: "canny", inpaint_crop_input_image: false });
    expect((await img2img({ mask, inpainting_fill: 1, ...units })).warnings).toEqual([
      "ControlNet 1: inpaint_crop_input_image has no effect: its picture is cut as the picture to start from is",
      "ControlNet 1: canny finds edges in the whole picture, not in the masked part alone",
    ]);
    expect((await img2img({ mask, inpainting_fill: 1, inpaint_full_res: false, ...units })).warnings).toEqual([]);
    expect((await img2img(units)).warnings).toEqual([]);
  });
});

describe("a unit of ControlNet", () => {
  const image = pngFile(16, 16).then((file) => file.toString("base64"));
  const fieldsOf = async (...units: object[]) => {
    const plan = await txt2img(unitsOf(...(await Promise.all(units.map(async (unit) => ({ image: await image, ...unit }))))));
    return { request: requestsOf(plan)[0], warnings: plan.warnings };
  };

  it("acts in its part of the steps; of several, each in its own", async () => {
    const { request } = await fieldsOf({ guidance_start: 0.2 }, { guidance_end: 0.7 });
    expect(request).toMatchObject({ controlGuidanceStart: [0.2, 0], controlGuidanceEnd: [1, 0.7] });
  });

  it.each([2, "2", "ControlNet is more important", "ControlMode.CONTROL"])("with control_mode %s comes before the prompt", async (mode) => {
    const { request, warnings } = await fieldsOf({ control_mode: mode });
    expect([request?.guessMode, warnings]).toEqual([true, []]);
  });

  it.each([0, "Balanced", "ControlMode.BALANCED", null])("with control_mode %s is balanced", async (mode) => {
    const { request, warnings } = await fieldsOf({ control_mode: mode });
    expect([request?.guessMode, warnings]).toEqual([undefined, []]);
  });

  it("comes before the prompt only if all do", async () => {
    const { request, warnings } = await fieldsOf({ control_mode: 2 }, {});
    expect(request).not.toHaveProperty("guessMode");
    expect(warnings).toEqual([
      "ControlNet 0: control_mode has no effect: it acts only if all units have it; prompt and ControlNet are balanced",
    ]);
  });

  it("with pixel_perfect finds edges at the pixels of the picture to make", async () => {
    const half = await sharp({ create: { width: 64, height: 32, channels: 3, background: "black" } })
      .composite([{ input: await pngFile(32, 32), left: 0, top: 0 }])
      .png()
      .toBuffer();
    const edgeOf = async (pixel_perfect: boolean) => {
      const { request } = await fieldsOf({ image: half.toString("base64"), module: "canny", pixel_perfect, processor_res: 2048 });
      const [hint] = (request?.controlImage ?? []) as readonly string[];
      const { data, info } = await sharp(Buffer.from(hint ?? "", "base64"))
        .greyscale()
        .raw()
        .toBuffer({ resolveWithObject: true });
      return Math.max(...data.subarray(16 * info.width, 17 * info.width));
    };
    // A line of one pixel, made 64 times as small, is next to nothing.
    expect([await edgeOf(true), await edgeOf(false)]).toEqual([255, 0]);
  });

  it.each([
    [{ control_mode: "loud" }, /control_mode "loud"; expected 0, balanced, 1/],
    [{ resize_mode: 7 }, /resize_mode "7"; expected 0, just resize/],
    [{ hr_option: "third" }, /hr_option "third"; expected both/],
    [{ guidance_start: 0.8, guidance_end: 0.3 }, /guidance_start 0.8 and guidance_end 0.3; expected a start before the end/],
    [{ guidance_end: 2 }, /value must be at most 1/],
    [{ image: null }, /^a ControlNet unit has no image/],
  ])("%j is refused", async (unit, message) => {
    await expect(fieldsOf(unit)).rejects.toThrow(message);
  });
});

describe("ControlNet with hires fix", () => {
  const hires = { enable_hr: true, hr_upscaler: "Lanczos" };

  it("acts in both passes, its picture at each one's size", async () => {
    const plan = await txt2img({ ...hires, ...unitsOf({ image: await picture(8, 8), guidance_end: 0.5 }) });
    const second = await plan.hires?.job({ image: "abcd", size: { width: 128, height: 64 }, seed: "1", steps: 20 });
    expect(await controlsIn(plan)).toMatchObject([{ width: 64, height: 32 }]);
    expect(second?.request).toMatchObject({ controlnet: [NET], controlGuidanceEnd: [0.5], image: "abcd" });
    const [hint] = (second?.request.controlImage ?? []) as readonly string[];
    expect(await facts(hint)).toMatchObject({ width: 128, height: 64 });
    expect(plan.warnings).toEqual([]);
  });

  it("acts in the pass that hr_option names", async () => {
    const image = await picture(8, 8);
    const units = unitsOf(
      { image, hr_option: "Low res only", weight: 0.1 },
      { image, hr_option: "HiResFixOption.HIGH_RES_ONLY", weight: 0.2 },
    );
    const plan = await txt2img({ ...hires, ...units });
    const second = await plan.hires?.job({ image: "abcd", size: { width: 128, height: 64 }, seed: "1", steps: 20 });
    expect(requestsOf(plan)[0]?.controlnetConditioningScale).toEqual([0.1]);
    expect(second?.request.controlnetConditioningScale).toEqual([0.2]);
    expect(requestsOf(await txt2img(units))[0]?.controlnetConditioningScale).toEqual([0.1, 0.2]);
  });
});
