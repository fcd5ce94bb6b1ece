import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FAMILIES } from "../../src/families/lookups.js";
import type { KnownFamily } from "../../src/generate/families.js";
import { imagePromptScales } from "../../src/generate/image-prompts.js";
import { type GeneratedPicture, openWorkflow, type RunRequest, type Workflow } from "../../src/generate/index.js";
import { Picture } from "../../src/image/picture.js";
import { StableDiffusionPipeline } from "../../src/pipelines/stable-diffusion.js";
import { checkpoint } from "../helpers/fixtures.js";

const ROOT = checkpoint("ip-adapter-mini");
const PLAIN = { source: join(ROOT, "models/ip-adapter_sd15.safetensors") };
const PLUS = { source: ROOT, subfolder: "models", weightName: "ip-adapter-plus_sd15.safetensors" };
const device = "cpu";
const picture = new Picture(
  5,
  4,
  Uint8Array.from({ length: 60 }, (_, i) => (i * 37) % 256),
);
const other = new Picture(4, 4, new Uint8Array(48).fill(200));
const RUN = { prompt: "a fox", numInferenceSteps: 2, seed: 1 };

let workflow: Workflow;
let pipe: StableDiffusionPipeline;
beforeAll(async () => {
  workflow = await openWorkflow({ model: checkpoint("sd1-mini"), device, ipAdapters: [PLAIN, PLUS] });
  pipe = await StableDiffusionPipeline.fromPretrained(checkpoint("sd1-mini"), { device });
  await pipe.loadIPAdapter(ROOT, { subfolder: "models", weightName: ["ip-adapter_sd15.safetensors", "ip-adapter-plus_sd15.safetensors"] });
});
afterAll(() => Promise.all([workflow.dispose(), pipe.dispose()]));

async function run(request: RunRequest, open = workflow): Promise<GeneratedPicture> {
  for await (const event of open.run(request)) if (event.kind === "picture") return event.picture;
  throw new Error("no picture");
}

describe("a workflow with IP-Adapters", () => {
  it("gives each run its pictures and scales, also in two runs at once", async () => {
    const calls = [
      { ...RUN, ipAdapterImage: [[picture, other], other], ipAdapterScale: [0.7, 0.3] },
      { ...RUN, ipAdapterImage: [other, picture], ipAdapterScale: 0 },
    ];
    const made = await Promise.all(calls.map((call) => run(call)));
    pipe.setIPAdapterScale([0.7, 0.3]);
    const first = (await pipe.generate({ ...RUN, ipAdapterImage: [[picture, other], other] })).images[0];
    pipe.setIPAdapterScale([0, 0]);
    const second = (await pipe.generate({ ...RUN, ipAdapterImage: [other, picture] })).images[0];
    expect(made.map(({ image }) => image)).toEqual([first, second]);
    expect(made[0]?.text.parameters).toMatch(/IP-Adapter 1: "Model: ip-adapter-plus_sd15, Weight: 0\.3, Image: data"/);
  });

  it("takes pictures as base64, and makes both passes of hires with them", async () => {
    const base64 = Buffer.from(await picture.encode("png")).toString("base64");
    const both = { ...RUN, ipAdapterImage: [picture, picture] };
    expect((await run({ ...RUN, ipAdapterImage: [base64, base64] })).image).toEqual((await run(both)).image);
    const [large, silent] = [await run({ ...both, hires: { scale: 2 } }), await run({ ...both, hires: { scale: 2 }, ipAdapterScale: 0 })];
    expect(large.image).not.toEqual(silent.image);
  });

  it("takes masks, and scales by block and by picture, as the pipelines do", async () => {
    const mask = new Picture(
      8,
      8,
      Uint8Array.from({ length: 192 }, (_, i) => (i < 96 ? 255 : 0)),
    );
    const base64 = Buffer.from(await mask.encode("png")).toString("base64");
    const ipAdapterImage = [[picture, other], other];
    const scales = [[0.7, 0.2], { up: { block_1: [0, 1] }, mid: 0.5 }];
    const { images } = await pipe.generate({
      ...RUN,
      ...{ ipAdapterImage, ipAdapterMasks: [[mask, other], null], ipAdapterScale: scales as never },
    });
    const made = await run({ ...RUN, ipAdapterImage, ipAdapterMasks: [[base64, other], null], ipAdapterScale: scales as never });
    expect(made.image).toEqual(images[0]);
    expect(made.text.parameters).toContain("Weight: [0.7,0.2], Image: data data, Mask: data data");
    expect((await run({ ...RUN, ipAdapterImage })).image).not.toEqual(made.image);
  });

  it.each([
    [
      "fewer masks than pictures",
      { ipAdapterImage: [[picture, other], other], ipAdapterMasks: [other, null] },
      /^IP-Adapter 0 has 1 ipAdapterMasks for 2 ipAdapterImage/,
    ],
    ["masks for one adapter of two", { ipAdapterImage: [picture, other], ipAdapterMasks: other }, /^1 was given for ipAdapterMasks and 2/],
    ["style", { ipAdapterImage: [picture, other], ipAdapterScale: { style: 1 } }, /^ipAdapterScale has style or layout, and Stable Diff/],
    ["style and blocks", { ipAdapterImage: [picture, other], ipAdapterScale: { style: 1, up: 1 } }, /^ipAdapterScale is .*; expected a/],
    ["an infinite scale", { ipAdapterImage: [picture, other], ipAdapterScale: { mid: Number.POSITIVE_INFINITY } }, /^ipAdapterScale is /],
    [
      "a block that is not there",
      { ipAdapterImage: [picture, other], ipAdapterScale: [1, { up: { block_7: 1 } }] },
      /^ipAdapterScale has up.block_7 \(1\)/,
    ],
    ["no picture", {}, /^ipAdapters needs ipAdapterImage: /],
    ["one picture for two", { ipAdapterImage: picture }, /^2 were given for ipAdapters and 1 for ipAdapterImage/],
    ["three scales", { ipAdapterImage: [picture, picture], ipAdapterScale: [1, 1, 1] }, /^3 were given for ipAdapterScale and 2/],
    ["a path", { ipAdapterImage: ["./a.png", picture] }, /^ipAdapterImage is /],
    ["bytes that are no picture", { ipAdapterImage: [new Uint8Array(4), picture] }, /^ipAdapterImage: /],
  ])("refuses a run with %s", async (_, options, message) => {
    await expect(run({ ...RUN, ...options })).rejects.toThrow(message);
  });
});

describe("scales by part", () => {
  const scales = (ipAdapterScale: RunRequest["ipAdapterScale"], count: number) =>
    imagePromptScales({ ipAdapterScale }, count, FAMILIES.find(({ id }) => id === "xl") as KnownFamily);

  it("are the blocks of XL that InstantStyle names", () => {
    expect(scales({ style: 0.6 }, 1)).toEqual([{ up: { block_0: [0, 0.6, 0] } }]);
    expect(scales([{ style: 1, layout: 0.5 }, 0.3, [1, 2]], 3)).toEqual([
      { up: { block_0: [0, 1, 0] }, down: { block_2: [0, 0.5] } },
      0.3,
      [1, 2],
    ]);
    expect(scales({ up: 1 }, 2)).toEqual([{ up: 1 }, { up: 1 }]);
    expect(scales(undefined, 2)).toEqual([1, 1]);
  });
});

describe("openWorkflow", () => {
  it.each([
    [
      "a picture without adapter",
      { firstRun: { ...RUN, ipAdapterImage: picture } },
      [],
      /^ipAdapterImage needs ipAdapters|^0 were given for ipAdapters/,
    ],
    [
      "two image encoders",
      {},
      [
        { ...PLAIN, imageEncoder: "a" },
        { ...PLUS, imageEncoder: "b" },
      ],
      /^ipAdapters name 2 image encoders: a, b/,
    ],
    ["an adapter without source", {}, [{ weightName: "a" }], /needs ipAdapters\[0\]\.source/],
  ])("refuses %s", async (_, options, ipAdapters, message) => {
    await expect(openWorkflow({ model: checkpoint("sd1-mini"), device, ipAdapters: ipAdapters as never }, options)).rejects.toThrow(
      message,
    );
  });

  it("takes the image encoder by a path inside the source, and refuses families without IP-Adapters", async () => {
    const adapter = { ...PLUS, imageEncoder: "models/image_encoder" };
    await using open = await openWorkflow({ model: checkpoint("sd1-mini"), device, ipAdapters: [adapter] });
    await run({ ...RUN, ipAdapterImage: picture }, open);
    const refiner = openWorkflow({ model: checkpoint("sdxl-refiner-mini"), device, ipAdapters: [PLAIN] });
    await expect(refiner).rejects.toThrow(/^ipAdapters do not work with sdxl-refiner-mini/);
  });
});
