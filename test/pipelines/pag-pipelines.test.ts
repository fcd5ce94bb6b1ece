import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { PAG_CLASSES, type PagClassName } from "../../src/families/pag-classes.js";
import {
  AutoPipelineForText2Image,
  DiffusionPipeline,
  StableDiffusionPAGImg2ImgPipeline,
  StableDiffusionPAGPipeline,
  StableDiffusionPipeline,
  StableDiffusionXLPAGPipeline,
  StableDiffusionXLPipeline,
  type Tensor,
} from "../../src/index.js";
import { classNameFor, TASKS } from "../../src/pipelines/auto-pipeline.js";
import { pipelineClass } from "../../src/pipelines/pipeline-classes.js";
import { checkpoint } from "../helpers/fixtures.js";

const CALL = { prompt: "a fox", numInferenceSteps: 2, seed: 1, height: 16, width: 16, outputType: "latent" } as const;
const LAYERS = ["mid", "down_blocks"];
const latents = async (pipe: StableDiffusionPipeline | StableDiffusionXLPipeline, options = {}) =>
  (await pipe.generate({ ...CALL, ...options })).images as unknown as Tensor;

describe("diffusers' classes with perturbed-attention guidance", () => {
  let plain: StableDiffusionPipeline;
  beforeAll(async () => {
    plain = await StableDiffusionPipeline.fromPretrained(checkpoint("sd1-mini"), { device: "cpu" });
  });
  afterAll(() => plain.dispose());

  it.each(Object.entries(PAG_CLASSES) as [PagClassName, string][])("%s is a %s", async (name, ordinary) => {
    const [pag, base] = [await pipelineClass(name)(), await pipelineClass(ordinary)()];
    expect(pag.className).toBe(name);
    expect(Object.getPrototypeOf(pag)).toBe(base);
    expect(pag.parts).toBe(base.parts);
  });

  it("guides by 3 in the middle block, unless a call says otherwise", async () => {
    const pag = await StableDiffusionPAGPipeline.fromPipe(plain);
    expect(await latents(pag)).toEqual(await latents(plain, { pagScale: 3 }));
    expect(await latents(pag, { pagScale: 0 })).toEqual(await latents(plain));
    pag.setPagAppliedLayers(LAYERS);
    expect(await latents(pag)).toEqual(await latents(plain, { pagScale: 3, pagAppliedLayers: LAYERS }));
    expect(() => pag.setPagAppliedLayers([])).toThrow(/pagAppliedLayers is \[\]/);
    expect(new StableDiffusionPAGPipeline({ ...plain.components, pagAppliedLayers: "up" }).pagAppliedLayers).toBe("up");
    expect(new StableDiffusionPAGImg2ImgPipeline(plain.components).pagAppliedLayers).toBe("mid");
  });

  it("is in XL as well", async () => {
    await using xl = await StableDiffusionXLPAGPipeline.fromPretrained(checkpoint("sdxl-base-mini"), {
      device: "cpu",
      pagAppliedLayers: LAYERS,
    });
    const base = await StableDiffusionXLPipeline.fromPipe(xl);
    expect(await latents(xl)).toEqual(await latents(base, { pagScale: 3, pagAppliedLayers: LAYERS }));
  });

  it("opens and saves folders of these classes", async () => {
    const folder = await mkdtemp(join(tmpdir(), "pag-"));
    const warn = vi.spyOn(process, "emitWarning").mockImplementation(() => {});
    try {
      await (await StableDiffusionPAGPipeline.fromPipe(plain, { pagAppliedLayers: LAYERS })).savePretrained(join(folder, "pag"));
      expect(warn.mock.calls).toEqual([]);
      await using opened = await DiffusionPipeline.fromPretrained(join(folder, "pag"), { device: "cpu" });
      expect(opened).toBeInstanceOf(StableDiffusionPAGPipeline);
    } finally {
      vi.restoreAllMocks();
      await rm(folder, { recursive: true });
    }
  });

  it("is chosen with enablePag", async () => {
    await using pipe = await AutoPipelineForText2Image.fromPretrained(checkpoint("sd1-mini"), {
      device: "cpu",
      enablePag: true,
      pagAppliedLayers: LAYERS,
    });
    expect(pipe).toBeInstanceOf(StableDiffusionPAGPipeline);
    expect((pipe as unknown as StableDiffusionPAGPipeline).pagAppliedLayers).toEqual(LAYERS);
    const off = await AutoPipelineForText2Image.fromPipe(pipe, { enablePag: false });
    expect(off.className).toBe("StableDiffusionPipeline");
    expect(classNameFor(TASKS.mask, "StableDiffusionXLPAGPipeline", {})).toBe("StableDiffusionXLPAGInpaintPipeline");
    expect(() => classNameFor(TASKS.image, "StableDiffusionControlNetPAGPipeline", {})).toThrow(/no pipeline with perturbed-attention/);
    await expect(AutoPipelineForText2Image.fromPipe(plain, { enablePag: 1 as unknown as boolean })).rejects.toThrow(/^enablePag is 1/);
  });
});
