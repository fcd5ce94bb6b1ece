import { readPictureSettings } from "darkroom";
import { generate } from "darkroom/generate";
import sharp from "sharp";
import { afterAll, describe, expect, it } from "vitest";
import { SAMPLERS } from "../../../src/http/a1111/sampler-table.js";
import { createApp } from "../../../src/http/app.js";
import { openEmbeddedJobs } from "../../../src/jobs/embedded/embedded-jobs.js";
import type { Progress } from "../../../src/jobs/job.js";
import type { JobHandler } from "../../../src/jobs/jobs.js";
import { Catalog } from "../../../src/models/catalog.js";
import { offerOf } from "../../../src/models/offer.js";
import { createTestHandler } from "../../worker/helpers.js";

interface Reply {
  readonly images: readonly string[];
  readonly info: string;
}

describe("AUTOMATIC1111's API with the embedded checkpoint in a process of its own", async () => {
  const { handler, results } = createTestHandler();
  const jobs = await openEmbeddedJobs(":memory:");
  /** Of each job, the steps of a picture. */
  const steps = new Map<string, number>();
  const noting: JobHandler = (job, run) => {
    const progress = (each: Progress) => {
      steps.set(job.id, each.steps);
      run.progress(each);
    };
    return handler(job, { signal: run.signal, preview: run.preview.bind(run), progress });
  };
  jobs.work(noting, { slots: 1 });
  const app = createApp({ jobs, results, models: new Catalog(offerOf({ runtime: { device: "cpu" } })) });

  afterAll(async () => {
    await jobs.close();
    await handler.close();
  });

  const post = (path: string, body: object) => app.request(`http://localhost${path}`, { method: "POST", body: JSON.stringify(body) });

  async function make(kind: "txt2img" | "img2img", body: object) {
    const reply = await post(`/sdapi/v1/${kind}`, { prompt: "a panda", seed: 7, steps: 3, ...body });
    expect(reply.status, await reply.clone().text()).toBe(200);
    const { images, info } = (await reply.json()) as Reply;
    const files = images.map((image) => Buffer.from(image, "base64"));
    return { files, info: JSON.parse(info) as Record<string, unknown> & { infotexts: string[]; warnings: string[] } };
  }

  const pixelsOf = async (file: Uint8Array | undefined) => sharp(file).removeAlpha().raw().toBuffer();

  it("txt2img makes the pictures that the library makes, with the web UI's settings in the files", async () => {
    const { files, info } = await make("txt2img", {
      n_iter: 2,
      sampler_name: "DPM++ 2M",
      scheduler: "karras",
      cfg_scale: 4,
      prompt: "a (panda:1.2)",
    });
    const { pictures } = await generate({
      prompt: "a (panda:1.2)",
      promptSyntax: "a1111",
      seed: 7,
      numImagesPerPrompt: 2,
      numInferenceSteps: 3,
      guidanceScale: 4,
      scheduler: "dpm++-2m-karras",
      device: "cpu",
    });
    for (const [i, { image }] of pictures.entries()) expect(new Uint8Array(await pixelsOf(files[i]))).toEqual(new Uint8Array(image.data));
    expect(info).toMatchObject({
      all_seeds: [7, 8],
      width: 128,
      height: 128,
      steps: 3,
      cfg_scale: 4,
      sampler_name: "DPM++ 2M",
      sd_model_name: "emoji-128",
      warnings: [],
    });
    expect(info.infotexts[0]).toMatch(
      /^a \(panda:1\.2\)\nSteps: 3, Sampler: DPM\+\+ 2M, Schedule type: Karras, CFG scale: 4, Seed: 7, Size: 128x128/,
    );
    expect((await readPictureSettings(files[1] ?? new Uint8Array())).parameters).toBe(info.infotexts[1]);
  });

  it.each(SAMPLERS)("txt2img makes a picture with $name", async ({ name }) => {
    const { files } = await make("txt2img", { sampler_name: name, steps: 4 });
    expect(files).toHaveLength(1);
  });

  it("img2img repaints a picture, and only the masked part with a mask", async () => {
    const [start] = (await make("txt2img", {})).files;
    const init_images = [start?.toString("base64")];
    const half = { create: { width: 64, height: 128, channels: 3 as const, background: "white" } };
    const mask = await sharp({ create: { width: 128, height: 128, channels: 3, background: "black" } })
      .composite([{ input: await sharp(half).png().toBuffer(), left: 0, top: 0 }])
      .png()
      .toBuffer();
    const before = await pixelsOf(start);
    for (const inpaint_full_res of [true, false]) {
      const body = {
        init_images,
        mask: mask.toString("base64"),
        mask_blur: 0,
        inpaint_full_res,
        inpainting_fill: 1,
        denoising_strength: 1,
        prompt: "a red apple",
        steps: 4,
      };
      const { files, info } = await make("img2img", body);
      const after = await pixelsOf(files[0]);
      expect(info.warnings).toEqual([]);
      const changed = (from: number, to: number) => {
        let count = 0;
        for (let y = 0; y < 128; y++)
          for (let x = from; x < to; x++) count += Number(before[(y * 128 + x) * 3] !== after[(y * 128 + x) * 3]);
        return count;
      };
      expect(changed(64, 128)).toBe(0);
      expect(changed(0, 64)).toBeGreaterThan(100);
    }
    const { files } = await make("img2img", { init_images, denoising_strength: 0.5, width: 96, height: 64 });
    expect(await readPictureSettings(files[0] ?? new Uint8Array())).toMatchObject({ width: 96, height: 64 });
  });

  it("hires fix takes the steps that are asked for in both passes", async () => {
    steps.clear();
    const { files, info } = await make("txt2img", {
      enable_hr: true,
      hr_scale: 1.5,
      hr_upscaler: "Lanczos",
      hr_second_pass_steps: 2,
      denoising_strength: 0.6,
    });
    // One job.
    expect([...steps.values()]).toEqual([5]);
    expect(await readPictureSettings(files[0] ?? new Uint8Array())).toMatchObject({
      width: 192,
      height: 192,
      settings: { Size: "128x128", "Hires steps": "2" },
    });
    expect(info).toMatchObject({ width: 192, height: 192, steps: 3, warnings: [] });
  });

  it.each([
    [{ prompt: "a panda <lora:fox:0.8>" }, 400, /LoRA called "fox"/],
    [{ steps: 3, enable_hr: true, denoising_strength: 1.5 }, 422, undefined],
    [{ sampler_name: "Heunn" }, 400, /take Heun/],
  ])("%j is refused", async (body, status, detail) => {
    const reply = await post("/sdapi/v1/txt2img", { prompt: "a panda", ...body });
    expect(reply.status).toBe(status);
    if (detail) expect(((await reply.json()) as { detail: string }).detail).toMatch(detail);
  });

  it("Hugging Face's textToImage gets a picture", async () => {
    const reply = await post("/models/emoji-128", { inputs: "a panda", parameters: { num_inference_steps: 3, seed: 7 } });
    expect([reply.status, reply.headers.get("content-type")]).toEqual([200, "image/png"]);
    expect((await readPictureSettings(new Uint8Array(await reply.arrayBuffer()))).settings.Seed).toBe("7");
  });
});
