import { afterAll, describe, expect, it } from "vitest";
import type { FamilyRequest } from "../../src/generate/family-request.js";
import { openWorkflow, type Workflow } from "../../src/generate/open-workflow.js";
import type { RunRequest } from "../../src/generate/run-request.js";
import type { RunSettings } from "../../src/generate/run-settings.js";
import { resize } from "../../src/image/resize.js";
import { DiffusionPipeline } from "../../src/index.js";
import { device, input } from "../cli/pictures.js";
import { checkpointOf } from "../helpers/checkpoints.js";
import { checkpoint } from "../helpers/fixtures.js";

const picture = resize(input, 64, 64);
const SMALL: RunRequest = { prompt: "a fox", seed: 1, width: 32, height: 32, numInferenceSteps: 3 };

const open = new Map<string, Promise<Workflow>>();
afterAll(async () => {
  for (const workflow of open.values()) await (await workflow).dispose();
});

/** The first picture and the settings of a run. */
async function made(model: string, request: RunRequest): Promise<{ data: Uint8Array; settings: RunSettings; text: string }> {
  const workflow = await (open.get(model) ?? open.set(model, openWorkflow({ model, device })).get(model));
  const run = (workflow as Workflow).run({ ...SMALL, ...request });
  for (;;) {
    const { done, value } = await run.next();
    if (!done) continue;
    const [first] = value.pictures;
    return { data: first?.image.data ?? new Uint8Array(), settings: value.settings, text: first?.text.parameters ?? "" };
  }
}

const kontext = () => checkpointOf("FluxKontextPipeline", "flux-dev-mini", {});

describe("an option of one family", () => {
  it.each<readonly [string, string, RunRequest, FamilyRequest]>([
    ["FLUX.1's negative prompt", checkpoint("flux-dev-mini"), { negativePrompt: "a cat" }, { trueCfgScale: 3 }],
    ["FLUX.1's second prompt", checkpoint("flux-dev-mini"), {}, { prompt2: "a cat on a mat" }],
    ["3.5's skipped layers", checkpoint("sd35-mini"), {}, { skipGuidanceLayers: [0], skipLayerGuidanceStop: 1 }],
    ["3's third prompt", checkpoint("sd3-mini"), {}, { prompt3: "a cat on a mat" }],
    ["Z-Image's truncation", checkpoint("z-image-mini"), { guidanceScale: 4 }, { cfgTruncation: 0.1 }],
    ["Z-Image's normalization", checkpoint("z-image-mini"), { guidanceScale: 4 }, { cfgNormalization: 0.5 }],
    ["Qwen-Image's guidance", checkpoint("qwen-image-mini"), {}, { trueCfgScale: 1 }],
    ["XL's second prompt", checkpoint("sdxl-base-mini"), {}, { prompt2: "a cat on a mat" }],
    ["klein's layers", checkpoint("flux2-klein-mini"), {}, { textEncoderOutLayers: [1, 1, 2] }],
  ])("acts: %s", async (_, model, common, options) => {
    const [plain, changed] = [await made(model, common), await made(model, { ...common, ...options })];
    expect(changed.data).not.toEqual(plain.data);
    expect(changed.settings).toMatchObject(options);
  });

  it("gives the picture of the pipeline's option of the same name", async () => {
    const { data, text } = await made(checkpoint("flux-dev-mini"), { negativePrompt: "a cat", negativePrompt2: "a dog", trueCfgScale: 3 });
    await using pipe = await DiffusionPipeline.fromPretrained(checkpoint("flux-dev-mini"), { device });
    const call = { ...SMALL, negativePrompt: "a cat", negativePrompt2: "a dog", trueCfgScale: 3 };
    const { images } = await (pipe as unknown as { generate(call: object): Promise<{ images: readonly { data: Uint8Array }[] }> }).generate(
      call,
    );
    expect(data).toEqual(images[0]?.data);
    expect(text).toContain("True cfg scale: 3");
  });

  it("says the area of Kontext's result", async () => {
    const model = kontext();
    const { settings } = await made(model, { image: picture, maxArea: 1024, width: undefined, height: undefined, autoResize: false });
    expect(settings).toMatchObject({ maxArea: 1024, autoResize: false });
  });

  it("is left to the first pass if the second pipeline does not have it", async () => {
    const run = { skipGuidanceLayers: [0], hires: { scale: 2 } };
    await expect(made(checkpoint("sd35-mini"), run)).resolves.toBeDefined();
  });

  it.each<readonly [string, RunRequest, string, RegExp]>([
    ["sd1-mini", { maxSequenceLength: 20 }, "maxSequenceLength", /has no effect on .*sd1-mini/],
    ["flux-dev-mini", { skipGuidanceLayers: [0] }, "skipGuidanceLayers", /which does not take it/],
    [
      "sd35-mini",
      { image: picture, skipGuidanceLayers: [0] },
      "skipGuidanceLayers",
      /no effect with image: StableDiffusion3Img2ImgPipeline/,
    ],
    ["sd35-mini", { skipLayerGuidanceStop: 0.5 }, "skipLayerGuidanceStop", /needs skipGuidanceLayers/],
    ["qwen-image-mini", { guidanceScale: [4, 4, 4] }, "guidanceScale", /is a list; .* takes one number for all steps/],
    ["flux-dev-mini", { guidanceScale: [4, 4, 4] }, "guidanceScale", /is a list/],
    ["qwen-image-mini", { guidanceScale: 4, trueCfgScale: 3 }, "trueCfgScale", /are the same for/],
  ])("is refused by name where no pipeline takes it: %s", async (model, request, argument, message) => {
    await expect(made(checkpoint(model), request)).rejects.toMatchObject({ argument, message: expect.stringMatching(message) });
  });
});

describe("a spacing of noise levels that a request names", () => {
  it("takes the place of the checkpoint's own", async () => {
    const { settings } = await made(checkpoint("chroma-mini"), { schedulerConfig: { useKarrasSigmas: true } });
    expect(settings.schedulerConfig).toMatchObject({ useKarrasSigmas: true, useBetaSigmas: false });
  });
});
