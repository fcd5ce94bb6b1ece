import { cpSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openFolder } from "#platform";
import { ArgumentError } from "../../src/errors.js";
import { type GenerateOptions, generate } from "../../src/generate/generate.js";
import type { OpenRequest } from "../../src/generate/open-request.js";
import { type OpenOptions, openWorkflow, type Workflow } from "../../src/generate/open-workflow.js";
import { type GenerateRequest, openingOf } from "../../src/generate/request.js";
import type { GeneratedPicture, GenerateResult } from "../../src/generate/run.js";
import type { RunRequest } from "../../src/generate/run-request.js";
import { EMBEDDED_CHECKPOINT } from "../../src/hub/embedded.js";
import type { Picture } from "../../src/image/picture.js";
import { StableDiffusionPipeline } from "../../src/pipelines/stable-diffusion.js";
import { StableDiffusionImg2ImgPipeline } from "../../src/pipelines/stable-diffusion-img2img.js";
import { StableDiffusionInpaintPipeline } from "../../src/pipelines/stable-diffusion-inpaint.js";
import { StableDiffusionXLPipeline } from "../../src/pipelines/stable-diffusion-xl.js";
import { StableDiffusionXLImg2ImgPipeline } from "../../src/pipelines/stable-diffusion-xl-img2img.js";
import { input, mask, opened } from "../cli/pictures.js";
import { changedCheckpoint } from "../helpers/checkpoints.js";
import { checkpoint } from "../helpers/fixtures.js";
import { collectWarnings } from "../helpers/warnings.js";
import { loraFile } from "../lora/loras.js";
import { embeddingFile } from "../pipelines/embeddings.js";

const device = "cpu";
const model = checkpoint("sd1-mini");
const run = { prompt: "a red fox", numInferenceSteps: 4, seed: 7 } satisfies RunRequest;

async function open(request: OpenRequest = {}, options?: OpenOptions): Promise<Workflow> {
  return opened(openWorkflow({ model, device, ...request }, options));
}

/** The result of a run whose events nobody needs. */
async function finish(workflow: Workflow, request: RunRequest): Promise<GenerateResult> {
  const events = workflow.run(request);
  for (;;) {
    const { done, value } = await events.next();
    if (done) return value;
  }
}

async function pictureOf(workflow: Workflow, request: RunRequest): Promise<Picture | undefined> {
  return (await finish(workflow, request)).pictures[0]?.image;
}

async function pipeline(): Promise<StableDiffusionPipeline> {
  return opened(StableDiffusionPipeline.fromPretrained(model, { device }));
}

describe("generate", () => {
  const make = (request: GenerateRequest, options?: GenerateOptions) => generate({ model, device, ...run, ...request }, options);

  it("makes the picture that the pipeline makes, with its settings", async () => {
    const { pictures, settings } = await make({ seed: "7" });
    const { images } = await (await pipeline()).generate(run);
    expect(pictures).toHaveLength(1);
    expect(pictures[0]).toMatchObject({ index: 0, seed: 7n, image: images[0] });
    expect(pictures[0]?.text.parameters).toMatch(/^a red fox\nSteps: 4, Sampler: PLMS, CFG scale: 7\.5, Seed: 7, .*Model: sd1-mini, /);
    expect(settings).toMatchObject({ model: "sd1-mini", guidanceScale: 7.5, seeds: [7n], device: "cpu", scheduler: "PNDMScheduler" });
  });

  it("takes timesteps and noise levels instead of a number of steps", async () => {
    const timesteps = [999, 600, 200];
    const { pictures, settings } = await make({ timesteps, scheduler: "dpm++-2m" });
    const pipe = await pipeline();
    pipe.scheduler = "dpm++-2m";
    const { images } = await pipe.generate({ ...run, timesteps });
    expect(pictures[0]?.image).toEqual(images[0]);
    expect(settings.numInferenceSteps).toBe(3);
    expect((await make({ sigmas: [14, 3, 1, 0], scheduler: "euler" })).settings.numInferenceSteps).toBe(3);
    await expect(make({ timesteps, scheduler: "ddim" })).rejects.toThrow("DDIMScheduler does not take custom timesteps");
  });

  it("makes each of several pictures as it would alone, and hands each over when it is finished", async () => {
    const seen: GeneratedPicture[] = [];
    const { pictures } = await make({ numImagesPerPrompt: 2 }, { onPicture: (picture) => void seen.push(picture) });
    expect(seen).toEqual(pictures);
    expect(pictures.map(({ seed }) => seed)).toEqual([7n, 8n]);
    const { pictures: second } = await make({ seed: 8n });
    expect(pictures[1]?.image).toEqual(second[0]?.image);
  });

  it("takes pictures as files' bytes, base64, data URLs and Pictures", async () => {
    const png = input.toPng() as Uint8Array<ArrayBuffer>;
    const base64 = Buffer.from(png).toString("base64");
    const images = [input, png, new File([png], "photos/in.png"), base64, `data:image/png;base64,${base64}`];
    const workflow = await open();
    const made = [];
    for (const image of images) made.push(await finish(workflow, { ...run, image, strength: 0.6 }));
    for (const { pictures } of made) expect(pictures[0]?.image).toEqual(made[0]?.pictures[0]?.image);
    expect(made.map(({ settings }) => settings.image)).toEqual(["data", "data", "in.png", "data", "data"]);
  });

  it("reports progress after every step, with a preview of the picture", async () => {
    const steps: string[] = [];
    const previews: Picture[] = [];
    const { pictures } = await make(
      { numImagesPerPrompt: 2, scheduler: "euler" },
      {
        onStart: ({ seeds }) => void steps.push(`start ${seeds}`),
        async onStep({ index, done, total, preview }) {
          steps.push(`${index}: ${done}/${total}`);
          if (done === total) previews.push(await preview());
        },
      },
    );
    expect(steps).toEqual(["start 7,8", ...[0, 1].flatMap((index) => [1, 2, 3, 4].map((done) => `${index}: ${done}/4`))]);
    expect(previews).toEqual(pictures.map(({ image }) => image));
  });

  it("stops between two steps with the signal's reason", async () => {
    const controller = new AbortController();
    const reason = new Error("enough");
    let done = 0;
    const work = make(
      { numInferenceSteps: 500 },
      {
        signal: controller.signal,
        onStep(step) {
          done = step.done;
          if (done === 2) controller.abort(reason);
        },
      },
    );
    await expect(work).rejects.toBe(reason);
    expect(done).toBe(2);
  });

  it("does not begin when the signal is aborted already", async () => {
    const reason = new Error("enough");
    await expect(make({}, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });

  it("says which pictures the safety checker made black", async () => {
    const parts = {
      safety_checker: ["stable_diffusion", "StableDiffusionSafetyChecker"],
      feature_extractor: ["transformers", "CLIPImageProcessor"],
    };
    const checked = changedCheckpoint("sd1-mini", "model_index.json", parts);
    for (const part of Object.keys(parts)) cpSync(checkpoint("safety-mini"), join(checked, part), { recursive: true });
    const warnings = collectWarnings();
    const { pictures } = await make({ model: checked });
    expect(pictures[0]).toMatchObject({ nsfwContentDetected: true });
    expect(pictures[0]?.image.data.every((value) => value === 0)).toBe(true);
    expect(warnings.join()).toContain("unsafe");
    expect((await make({})).pictures[0]).not.toHaveProperty("nsfwContentDetected");
  });

  it("gives the scheduler the settings of its config that the request names, and writes those that have no other field", async () => {
    const schedulerConfig = { useExponentialSigmas: true, solverOrder: 3 };
    const { pictures, settings } = await make({ scheduler: "dpm++-2m", schedulerConfig });
    expect(settings.schedulerConfig).toMatchObject(schedulerConfig);
    expect(pictures[0]?.text.parameters).toContain("Schedule type: Exponential");
    expect(pictures[0]?.text.parameters).toContain('Scheduler config: "{\\"solverOrder\\":3}"');
  });

  it("works with the embedded checkpoint by default, with the steps and the guidance of its model card", async () => {
    const { settings } = await generate({ prompt: "a panda", seed: 1, device });
    expect(settings).toMatchObject({ model: EMBEDDED_CHECKPOINT, numInferenceSteps: 20, guidanceScale: 4 });
  });

  it.each([
    [{ strength: 0.5 }, "strength", "strength needs image: it says how much of that picture to change"],
    [{ maskImage: mask }, "maskImage", "maskImage needs image: it marks the part of that picture to repaint"],
    [{ controlnet: "net" }, "controlnet", "controlnet needs controlImage: it is the picture that the ControlNet follows"],
    [
      { controlnet: ["a", "b"], controlImage: input },
      "controlImage",
      /2 were given for controlnet and 1 for controlImage; expected a picture for each/,
    ],
    [
      { controlnet: "net", controlImage: input, image: input, refiner: "xl" },
      "refiner",
      /^controlnet, image and refiner cannot be combined: /,
    ],
    [{ guessMode: true }, "guessMode", "guessMode needs controlnet: it says how that network acts"],
    [
      { controlnet: "net", controlImage: input, controlGuidanceEnd: [0.5, 1] },
      "controlGuidanceEnd",
      /^2 were given for controlGuidanceEnd and 1 for controlnet; expected one for all, or one for each$/,
    ],
    [{ prompt: "<lora:fox>" }, "loras", /the LoRA fox is given by its name, and no library\.loras says where LoRAs are/],
    [{ negativePrompt: "<lora:fox>" }, "negativePrompt", /negativePrompt holds the tag <lora:fox>/],
    [{ loras: [{ weight: 1 }] }, "loras", /a LoRA with neither source nor name/],
    [{ revision: "new" }, "revision", /revision has no effect on .*sd1-mini, which is on this machine/],
    [{ refiner: checkpoint("sdxl-refiner-mini") }, "refiner", /refiner does not work with sd1-mini, a StableDiffusionPipeline, as only/],
    [{ prompt: undefined }, "prompt", /no prompt was given; sd1-mini, a StableDiffusionPipeline, needs one/],
    [{ model: checkpoint("ddpm-mini") }, "prompt", /ddpm-mini, a DDPMPipeline, takes no prompt/],
    [{ model: checkpoint("ddpm-mini"), prompt: undefined, width: 64 }, "width", /width has no effect on ddpm-mini/],
    [{ scheduler: "eulr" }, "scheduler", /eulr/],
    [
      { scheduler: "euler-a", schedulerConfig: { useKarrasSigmas: true } },
      "schedulerConfig.useKarrasSigmas",
      /^schedulerConfig\.useKarrasSigmas does not apply to EulerAncestralDiscreteScheduler/,
    ],
    [{ schedulerConfig: { constructor: true } }, "schedulerConfig.constructor", /PNDMScheduler, which has no such setting/],
    [{ schedulerConfig: { useKarrasSigmas: null } }, "schedulerConfig", /expected an object of settings/],
  ])("refuses what makes no sense, by the API's names: %j", async (request, argument, message) => {
    const error: unknown = await make(request as GenerateRequest).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ArgumentError);
    expect((error as ArgumentError).message).toMatch(message);
    expect((error as ArgumentError).argument).toBe(argument);
  });
});

describe("an open workflow", () => {
  it("runs several requests, each with its own prompt, seed, size and scheduler", async () => {
    const workflow = await open();
    const pipe = await pipeline();
    const requests = [run, { prompt: "a blue house", numInferenceSteps: 3, seed: 8, width: 64, height: 32 }, run];
    for (const request of requests) {
      expect(await pictureOf(workflow, request)).toEqual((await pipe.generate(request)).images[0]);
    }
    const euler = await pictureOf(workflow, { ...run, scheduler: "euler-a" });
    pipe.scheduler = "euler-a";
    expect(euler).toEqual((await pipe.generate(run)).images[0]);
  });

  it("starts one run from noise, the next from a picture, the next from a masked one", async () => {
    const workflow = await open();
    const pipe = await pipeline();
    const { width, height } = input;
    expect(await pictureOf(workflow, run)).toEqual((await pipe.generate(run)).images[0]);
    const changed = await new StableDiffusionImg2ImgPipeline({ ...pipe }).generate({ ...run, image: input });
    expect(await pictureOf(workflow, { ...run, image: input })).toEqual(changed.images[0]);
    const repainted = await new StableDiffusionInpaintPipeline({ ...pipe }).generate({
      ...run,
      width,
      height,
      image: input,
      maskImage: mask,
    });
    expect(await pictureOf(workflow, { ...run, image: input, maskImage: mask })).toEqual(repainted.images[0]);
  });

  it("gives two runs at the same time the pictures that each gets alone", async () => {
    const workflow = await open();
    const requests = [run, { ...run, seed: 8, scheduler: "euler", image: input }];
    const together = await Promise.all(requests.map((request) => pictureOf(workflow, request)));
    for (const [i, request] of requests.entries()) expect(together[i]).toEqual(await pictureOf(workflow, request));
  });

  it("keeps an XL checkpoint's settings for every start, alone and with a refiner", async () => {
    const workflow = await open({ model: checkpoint("sdxl-base-mini"), refiner: checkpoint("sdxl-refiner-mini") });
    const alone = await open({ model: checkpoint("sdxl-base-mini") });
    const base = await opened(StableDiffusionXLPipeline.fromPretrained(checkpoint("sdxl-base-mini"), { device }));
    const changed = await new StableDiffusionXLImg2ImgPipeline({ ...base }, base.settings).generate({ ...run, image: input });
    expect(await pictureOf(alone, run)).toEqual((await base.generate(run)).images[0]);
    expect(await pictureOf(alone, { ...run, image: input })).toEqual(changed.images[0]);
    const early = await pictureOf(workflow, { ...run, denoisingEnd: 0.5 });
    expect(early).not.toEqual(await pictureOf(workflow, run));
  });

  it("takes a Folder", async () => {
    const workflow = await open({ model: openFolder(model, "mine") });
    const { settings } = await finish(workflow, run);
    expect(settings.model).toBe("mine");
  });

  it("can be left early, and used again", async () => {
    const workflow = await open();
    for await (const event of workflow.run({ ...run, numInferenceSteps: 500 })) if (event.kind === "step" && event.done === 2) break;
    expect(await pictureOf(workflow, run)).toEqual((await (await pipeline()).generate(run)).images[0]);
  });

  it("fails after it is disposed", async () => {
    const workflow = await open();
    await workflow.dispose();
    await expect(finish(workflow, run)).rejects.toThrow(/dispose/);
  });

  it("is opened without a prompt, and each run is checked", async () => {
    const workflow = await open();
    await expect(finish(workflow, {})).rejects.toThrow(/no prompt was given/);
    await expect(finish(workflow, { ...run, controlImage: input })).rejects.toThrow(/controlImage needs controlnet/);
    await expect(finish(workflow, { ...run, model } as RunRequest)).rejects.toThrow(/run has no option model/);
    await expect(finish(workflow, { ...run, prompt: "a <lora:fox:1> fox" })).rejects.toThrow(
      /the prompt names <lora:fox:1>, which is not loaded/,
    );
  });

  it("is refused for a first run that the checkpoint cannot make", async () => {
    await expect(open({}, { firstRun: {} })).rejects.toThrow(/no prompt was given/);
    await expect(open({ model: checkpoint("ddpm-mini") }, { firstRun: run })).rejects.toThrow(/takes no prompt/);
  });

  it.each([
    [{ ...run, scheduler: "eulr" }, /eulr/],
    [{ ...run, negativePrompt: "<lora:fox>" }, /negativePrompt holds the tag/],
    [{ ...run, prompt: "<lora:fox:1>" }, /the prompt names <lora:fox:1>, which is not loaded/],
    [{ ...run, image: new Uint8Array(5) }, /not an image that can be read/],
    [{ ...run, seed: -1n, numImagesPerPrompt: 0 }, /numImagesPerPrompt is 0/],
  ])("is refused for a first run with a mistake before the checkpoint is looked for", async (firstRun, message) => {
    await expect(open({ model: "nowhere" }, { firstRun })).rejects.toThrow(message);
  });

  it("reads the first run again if the program changed it after opening", async () => {
    const changing: { -readonly [Name in keyof RunRequest]: RunRequest[Name] } = { ...run };
    const workflow = await open({}, { firstRun: changing });
    changing.seed = 8;
    expect((await finish(workflow, changing)).settings.seeds).toEqual([8n]);
  });

  it("refuses a run without a request, also when it was opened for a first run", async () => {
    for (const workflow of [await open(), await open({}, { firstRun: run })]) {
      const nothing = undefined as unknown as RunRequest;
      await expect(finish(workflow, nothing)).rejects.toThrow(/^run was given undefined; expected an object with options$/);
    }
  });

  it.each([
    ["image", { image: new Uint8Array(5) }, /^image: the given buffer is not an image that can be read/],
    ["image", { image: "abcde" }, /^image: the text is neither an image file in base64 nor a data URL$/],
    ["image", { image: "data:image/png;base64,@@@@" }, /^image: image data:image\/png;base64,@@@@ is not a valid data URL$/],
    ["maskImage", { image: input, maskImage: "aGVsbG8=" }, /^maskImage: the given buffer is not an image that can be read/],
    ["image", { image: new File(["hello"], "in.png") }, /^in\.png is not an image that can be read/],
  ])("names the option of a picture that cannot be decoded: %s", async (argument, pictures, message) => {
    const error = await open({ model: "nowhere" }, { firstRun: { ...run, ...pictures } }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ name: "ArgumentError", argument, message: expect.stringMatching(message) });
  });

  it("has its own options, besides those of the request", async () => {
    await expect(open({}, { onDownlod: () => {} } as OpenOptions)).rejects.toThrow(
      /openWorkflow has no option onDownlod; did you mean onDownload/,
    );
    await expect(open({ prompt: "a fox" } as OpenRequest)).rejects.toThrow(/openWorkflow has no option prompt/);
    const workflow = await open();
    const events = workflow.run(run, { onStep: () => {} } as object);
    await expect(events.next()).rejects.toThrow(/run has no option onStep/);
    await expect(generate({ ...run, model }, { signal: 5 as never })).rejects.toThrow(/signal is 5/);
  });

  it("says when the files are there and the networks are loaded", async () => {
    const events: string[] = [];
    await open({}, { onLoad: () => events.push("load") });
    expect(events).toEqual(["load"]);
  });
});

describe("adapters", () => {
  const library = {
    loras: { name: "my LoRAs", list: () => [loraFile("sd1_peft"), loraFile("sd1_locon")] },
    embeddings: { name: "my embeddings", list: async () => [embeddingFile("bad-hands-5")] },
  };

  it("are found by the names in prompts, wherever the library has them", async () => {
    const pipe = await pipeline();
    await pipe.loadLoraWeights(loraFile("sd1_peft"), { adapterName: "fox" });
    pipe.setAdapters("fox", 0.7);
    await pipe.loadTextualInversion(embeddingFile("bad-hands-5"), { token: "bad-hands-5" });
    const negativePrompt = "bad-hands-5";
    const { images } = await pipe.generate({ ...run, negativePrompt });
    const request = { model, device, ...run, prompt: "a red fox<lora:sd1_peft:0.7>", negativePrompt } as const;
    const { pictures, settings } = await generate(request, { library });
    expect(pictures[0]?.image).toEqual(images[0]);
    expect(settings.loras).toMatchObject([{ name: "sd1_peft", weight: 0.7, hash: expect.stringMatching(/^[0-9a-f]{12}$/) }]);
    expect(settings.embeddings).toMatchObject([{ tokens: ["bad-hands-5"] }]);
    expect(pictures[0]?.text.parameters).toMatch(/^a red fox<lora:sd1_peft:0\.7>\n/);
  });

  it("can be named in the request as well as in the prompt", async () => {
    const request = { model, device, ...run } as const;
    const tagged = await generate({ ...request, prompt: "a red fox <lora:sd1_peft:0.5>" }, { library });
    const named = await generate({ ...request, loras: [{ name: "sd1_peft", weight: 0.5 }] }, { library });
    const given = await generate({ ...request, loras: [{ source: loraFile("sd1_peft"), weight: 0.5 }] });
    expect(named.pictures).toEqual(tagged.pictures);
    expect(given.pictures).toEqual(tagged.pictures);
  });

  it("of a workflow are used by every run; prompts may name them again", async () => {
    const request = { model, device, ...run, prompt: "a red fox <lora:sd1_peft:0.5>" } as const;
    const workflow = await opened(openWorkflow(openingOf(request), { library }));
    const plain = await finish(workflow, run);
    const tagged = await finish(workflow, { ...run, prompt: request.prompt });
    expect(plain.pictures[0]?.image).toEqual(tagged.pictures[0]?.image);
    expect(plain.settings.taggedPrompt).toBe("a red fox <lora:sd1_peft:0.5>");
    expect(tagged.settings.taggedPrompt).toBe(request.prompt);
  });

  it("that the library does not have are refused, with the nearest names", async () => {
    const work = generate({ model, device, ...run, prompt: "a fox <lora:sd1_pefd>" }, { library });
    await expect(work).rejects.toThrow(/my LoRAs has no LoRA called sd1_pefd/);
  });

  it("that no prompt uses give a warning in the run", async () => {
    const workflow = await open({ embeddings: [{ source: embeddingFile("cat-toy") }] });
    const warnings = collectWarnings();
    await finish(workflow, run);
    expect(warnings).toEqual([
      expect.stringMatching(/cat-toy\.safetensors is written as <cat-toy>, which is neither in the prompt nor in negativePrompt/),
    ]);
  });
});

it("generate/ imports nothing of Node or of the command line, and spells no option as the command line does", () => {
  const root = new URL("../../src/generate/", import.meta.url);
  for (const file of readdirSync(root, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"))) {
    const source = readFileSync(new URL(file, root), "utf8");
    expect(source.match(/from "(node:|.*\/cli\/)/g), file).toBeNull();
    expect(source.match(/[^\w-]--[a-z]/g), file).toBeNull();
  }
});
