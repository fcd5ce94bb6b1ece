import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import type { Picture } from "../../src/image/picture.js";
import { ControlNetModel } from "../../src/models/controlnet.js";
import { StableDiffusionPipeline } from "../../src/pipelines/stable-diffusion.js";
import { StableDiffusionControlNetPipeline } from "../../src/pipelines/stable-diffusion-controlnet.js";
import { StableDiffusionImg2ImgPipeline } from "../../src/pipelines/stable-diffusion-img2img.js";
import { StableDiffusionInpaintPipeline } from "../../src/pipelines/stable-diffusion-inpaint.js";
import { StableDiffusionXLPipeline } from "../../src/pipelines/stable-diffusion-xl.js";
import { StableDiffusionXLImg2ImgPipeline } from "../../src/pipelines/stable-diffusion-xl-img2img.js";
import { StableDiffusionXLInpaintPipeline } from "../../src/pipelines/stable-diffusion-xl-inpaint.js";
import { Generator, randn } from "../../src/tensor/random.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { checkpoint } from "../helpers/fixtures.js";
import { readTensors, writeSafetensors } from "../helpers/safetensors.js";
import { temporaryFolder } from "../helpers/temporary.js";
import { loraFile } from "../lora/loras.js";
import { embeddingFile } from "../pipelines/embeddings.js";
import { darkroom, expectFailure } from "./darkroom.js";
import { device, input, makePicture, mask, opened, parametersOf, request, saveInputs } from "./pictures.js";

let folder: string;
beforeEach(async () => {
  folder = temporaryFolder();
  await saveInputs(folder);
});

const SD1 = ["--model", checkpoint("sd1-mini")];
const XL = ["--model", checkpoint("sdxl-base-mini")];

/** Where `from` is copied to in the test's folder, under its own name or another. */
function placed(from: string, path: string): string {
  const to = join(folder, path);
  mkdirSync(join(to, ".."), { recursive: true });
  copyFileSync(from, to);
  return path;
}

function placedFolder(path: string): string {
  mkdirSync(join(folder, path), { recursive: true });
  return join(folder, path);
}

/** A call's picture with LoRAs of these weights loaded first, by diffusers' names. */
async function withLoras<Call>(
  pipe: Pick<StableDiffusionPipeline, "loadLoraWeights" | "setAdapters">,
  loras: readonly (readonly [file: string, weight: number])[],
  call: () => Promise<Call>,
): Promise<Call> {
  for (const [file] of loras) await pipe.loadLoraWeights(loraFile(file), { adapterName: file });
  pipe.setAdapters(
    loras.map(([file]) => file),
    loras.map(([, weight]) => weight),
  );
  return call();
}

async function plainSd1(options: object = {}): Promise<Picture | undefined> {
  const pipe = await opened(StableDiffusionPipeline.fromPretrained(checkpoint("sd1-mini"), { device }));
  return (await pipe.generate({ ...request, ...options })).images[0];
}

describe("darkroom generate --lora", () => {
  it("makes the picture that loadLoraWeights and setAdapters make, with several LoRAs", async () => {
    const pipe = await opened(StableDiffusionPipeline.fromPretrained(checkpoint("sd1-mini"), { device }));
    const loras = [
      ["sd1_peft", 0.7],
      ["sd1_kohya", -0.3],
      ["sd1_locon", 1],
    ] as const;
    const { images } = await withLoras(pipe, loras, () => pipe.generate(request));
    const args = [`${loraFile("sd1_peft")}:0.7`, `${loraFile("sd1_kohya")}:-0.3`, loraFile("sd1_locon")].flatMap((lora) => [
      "--lora",
      lora,
    ]);
    expect(await makePicture(folder, request.prompt, ...SD1, ...args)).toEqual(images[0]);
    expect(images[0]).not.toEqual(await plainSd1());
  });

  it("works on a picture", async () => {
    const pipe = await opened(StableDiffusionImg2ImgPipeline.fromPretrained(checkpoint("sd1-mini"), { device }));
    const { images } = await withLoras(pipe, [["sd1_peft", 0.7]], () => pipe.generate({ ...request, image: input, strength: 0.6 }));
    const args = ["--image", "in.png", "--strength", "0.6", "--lora", `${loraFile("sd1_peft")}:0.7`];
    expect(await makePicture(folder, request.prompt, ...SD1, ...args)).toEqual(images[0]);
  });

  it("works with a mask", async () => {
    const pipe = await opened(StableDiffusionInpaintPipeline.fromPretrained(checkpoint("sd1-mini"), { device }));
    const { width, height } = input;
    const call = { ...request, width, height, image: input, maskImage: mask };
    const { images } = await withLoras(pipe, [["sd1_peft", 0.7]], () => pipe.generate(call));
    const args = ["--image", "in.png", "--mask", "mask.png", "--lora", `${loraFile("sd1_peft")}:0.7`];
    expect(await makePicture(folder, request.prompt, ...SD1, ...args)).toEqual(images[0]);
  });

  it("works beside a ControlNet", async () => {
    const controlnet = await opened(ControlNetModel.fromPretrained(checkpoint("controlnet-mini"), { device }));
    const pipe = await opened(StableDiffusionControlNetPipeline.fromPretrained(checkpoint("sd1-mini"), { device, controlnet }));
    const { images } = await withLoras(pipe, [["sd1_peft", 0.7]], () => pipe.generate({ ...request, image: input }));
    const args = ["--control", checkpoint("controlnet-mini"), "--control-image", "in.png", "--lora", `${loraFile("sd1_peft")}:0.7`];
    expect(await makePicture(folder, request.prompt, ...SD1, ...args)).toEqual(images[0]);
  });

  it("works with XL, also on a picture and with a mask", async () => {
    const { width, height } = input;
    const lora = [["xl_peft", 0.7]] as const;
    const args = ["--lora", `${loraFile("xl_peft")}:0.7`];
    const base = await opened(StableDiffusionXLPipeline.fromPretrained(checkpoint("sdxl-base-mini"), { device }));
    const { images } = await withLoras(base, lora, () => base.generate(request));
    expect(await makePicture(folder, request.prompt, ...XL, ...args)).toEqual(images[0]);
    const changed = await new StableDiffusionXLImg2ImgPipeline({ ...base }).generate({ ...request, image: input, strength: 0.5 });
    args.push("--image", "in.png", "--strength", "0.5");
    expect(await makePicture(folder, request.prompt, ...XL, ...args)).toEqual(changed.images[0]);
    const call = { ...request, width, height, image: input, maskImage: mask, strength: 0.5 };
    const repainted = await new StableDiffusionXLInpaintPipeline({ ...base }).generate(call);
    expect(await makePicture(folder, request.prompt, ...XL, ...args, "--mask", "mask.png")).toEqual(repainted.images[0]);
  });

  it("changes a base and the text encoder that it shares with its refiner", async () => {
    const base = await opened(StableDiffusionXLPipeline.fromPretrained(checkpoint("sdxl-base-mini"), { device }));
    const { textEncoder2, tokenizer2, vae } = base;
    const parts = { textEncoder2, tokenizer2, vae };
    const refiner = await opened(StableDiffusionXLImg2ImgPipeline.fromPretrained(checkpoint("sdxl-refiner-mini"), { device, ...parts }));
    const { seed, ...common } = { ...request, prompt: "an ink fox", generator: new Generator(request.seed) };
    await base.loadTextualInversion(embeddingFile("ink"));
    const { images: image } = await withLoras(base, [["xl_peft", 0.7]], () =>
      base.generate({ ...common, denoisingEnd: 0.8, outputType: "latent" }),
    );
    const { images } = await refiner.generate({ ...common, denoisingStart: 0.8, image });
    const args = [
      "--refiner",
      checkpoint("sdxl-refiner-mini"),
      "--lora",
      `${loraFile("xl_peft")}:0.7`,
      "--embedding",
      embeddingFile("ink"),
    ];
    expect(await makePicture(folder, "an ink fox", ...XL, ...args)).toEqual(images[0]);
  });

  it("takes a folder, and names a LoRA after it", async () => {
    placed(loraFile("sd1_peft"), "my fox/pytorch_lora_weights.safetensors");
    const picture = await makePicture(folder, request.prompt, ...SD1, "--lora", "my fox:0.5");
    expect((await parametersOf(folder)).prompt).toBe("a red fox <lora:my fox:0.5>");
    expect(await makePicture(folder, request.prompt, ...SD1, "--lora", `${loraFile("sd1_peft")}:0.5`)).toEqual(picture);
  });

  it("adds up the weights of a LoRA that is given twice", async () => {
    const once = await makePicture(folder, request.prompt, ...SD1, "--lora", `${loraFile("sd1_peft")}:1`);
    const half = ["--lora", `${loraFile("sd1_peft")}:0.5`];
    const twice = await makePicture(folder, request.prompt, ...SD1, ...half, ...half);
    const difference = Math.max(...twice.data.map((value, i) => Math.abs(value - (once.data[i] ?? 0))));
    expect(difference).toBeLessThanOrEqual(1);
  });

  it("also loads the embeddings inside a LoRA", async () => {
    const vectors = randn([2, 32], new Generator(7));
    writeSafetensors(join(folder, "bundle.safetensors"), {
      ...readTensors(loraFile("sd1_peft")),
      "bundle_emb.snout.string_to_param.*": vectors,
    });
    writeSafetensors(join(folder, "snout.safetensors"), { emb_params: vectors });
    const prompt = "a red fox with a snout";
    const bundled = await makePicture(folder, prompt, ...SD1, "--lora", "bundle.safetensors");
    const apart = await makePicture(folder, prompt, ...SD1, "--lora", loraFile("sd1_peft"), "--embedding", "snout.safetensors");
    expect(bundled).toEqual(apart);
    expect(bundled).not.toEqual(await makePicture(folder, prompt, ...SD1, "--lora", loraFile("sd1_peft")));
  });

  it("applies adapters of other methods, also with --fast and --low-memory", async () => {
    const pipe = await opened(StableDiffusionPipeline.fromPretrained(checkpoint("sd1-mini"), { device }));
    const lokr = loraFile("../../lora-methods/adapters/lokr");
    await pipe.loadLoraWeights(lokr, { adapterName: "lokr" });
    pipe.setAdapters("lokr", 0.5);
    const { images } = await pipe.generate(request);
    expect(await makePicture(folder, request.prompt, ...SD1, "--lora", `${lokr}:0.5`, "--low-memory")).toEqual(images[0]);
    const fast = await makePicture(folder, request.prompt, ...SD1, "--lora", `${lokr}:0.5`, "--fast");
    const difference = Math.max(...fast.data.map((value, i) => Math.abs(value - (images[0]?.data[i] ?? 0))));
    expect(difference).toBeLessThanOrEqual(8);
  });

  it("reports tensors that fit no layer, and with --json all of them", async () => {
    const strangers = Array.from({ length: 12 }, (_, i) => `stranger.${i}`);
    const odd = Object.fromEntries(strangers.map((name) => [name, Tensor.zeros([1])]));
    writeSafetensors(join(folder, "odd.safetensors"), { ...readTensors(loraFile("sd1_peft")), ...odd });
    const args = ["generate", "fox", ...SD1, "--lora", "odd.safetensors", "--steps", "1", "--device", device, "--json", "--quiet"];
    const { stderr, stdout } = await darkroom(args, folder);
    expect(stderr).toMatch(/warning: \.\/odd\.safetensors: tensors that fit no layer .* are left out \(12\): stranger\.0, .* and 2 more\n/);
    expect(JSON.parse(stdout).loras[0].unmatched.sort()).toEqual(strangers.sort());
  });
});

describe("darkroom generate --lora-dir", () => {
  it("finds the LoRAs of tags, also in folders below, and removes the tags from the prompt", async () => {
    placed(loraFile("sd1_peft"), "loras/animals/fox.v2.safetensors");
    const tagged = await makePicture(folder, "a <lora:fox.v2:0.7>red fox", ...SD1, "--lora-dir", "loras");
    expect(tagged).toEqual(await makePicture(folder, request.prompt, ...SD1, "--lora", `${loraFile("sd1_peft")}:0.7`));
  });

  it("takes a tag's two weights for text encoders and UNet", async () => {
    placed(loraFile("sd1_peft"), "loras/fox.safetensors");
    const pipe = await opened(StableDiffusionPipeline.fromPretrained(checkpoint("sd1-mini"), { device }));
    await pipe.loadLoraWeights(loraFile("sd1_peft"), { adapterName: "fox" });
    pipe.setAdapters("fox", { textEncoder: 0.2, unet: 0.9 });
    const { images } = await pipe.generate(request);
    expect(await makePicture(folder, "a red fox<lora:fox:0.2:0.9>", ...SD1, "--lora-dir", "loras")).toEqual(images[0]);
  });

  it.each([
    ["that no file has", "<lora:foxx:1>", /^darkroom: loras has no LoRA called foxx: .*\n\s+the nearest names there are fox, dog, cat$/m],
    ["that several files have", "<lora:dog:1>", /several files have the name dog: .*dog\.safetensors, .*dog\.safetensors\n\s+rename/],
    ["with a weight that is not a number", "<lora:fox:strong>", /<lora:fox:strong> has the weight "strong"; expected a number/],
  ])("refuses a name %s", async (_, tag, message) => {
    for (const path of ["fox", "a/dog", "b/dog", "cat"]) placed(loraFile("sd1_peft"), `loras/${path}.safetensors`);
    expectFailure(await darkroom(["generate", `a fox ${tag}`, ...SD1, "--lora-dir", "loras"], folder), 2, message);
  });

  it("is needed for a prompt with a tag", async () => {
    expectFailure(
      await darkroom(["generate", "a fox <lora:fox:0.8>", ...SD1], folder),
      2,
      /the LoRA fox is given by its name, and no --lora-dir.*\n\s+add --lora-dir and the folder of fox\.safetensors, or .*--lora/,
    );
  });

  it("does not allow a tag in the negative prompt", async () => {
    const args = ["generate", "a fox", "--negative", "<lora:fox:1>", ...SD1, "--lora-dir", "."];
    expectFailure(await darkroom(args, folder), 2, /--negative holds the tag <lora:fox:1>.*\n\s+put the tag into the prompt/);
  });

  it.each(["a fox <lora:fox:1>", "a fox"])("refuses a folder that does not exist, with a tag and without: %s", async (prompt) => {
    const run = await darkroom(["generate", prompt, ...SD1, "--lora-dir", "none"], folder);
    expectFailure(run, 2, /--lora-dir: cannot read the folder none: it does not exist\n\s+give a folder with \.safetensors files/);
  });
});

describe("darkroom generate --embedding", () => {
  it("makes the picture that loadTextualInversion makes, in prompt and negative prompt", async () => {
    const pipe = await opened(StableDiffusionPipeline.fromPretrained(checkpoint("sd1-mini"), { device }));
    await pipe.loadTextualInversion(embeddingFile("cat-toy"));
    await pipe.loadTextualInversion(embeddingFile("bad-hands-5"), { token: "<bad>" });
    const texts = { prompt: "a red <cat-toy>", negativePrompt: "<bad>" };
    const { images } = await pipe.generate({ ...request, ...texts });
    const args = ["--embedding", embeddingFile("cat-toy"), "--embedding", `${embeddingFile("bad-hands-5")}:<bad>`];
    expect(await makePicture(folder, texts.prompt, "--negative", texts.negativePrompt, ...SD1, ...args)).toEqual(images[0]);
    expect(images[0]).not.toEqual(await plainSd1(texts));
  });

  it("warns of an embedding that no prompt uses, with its token", async () => {
    const args = ["generate", "a red fox", ...SD1, "--embedding", embeddingFile("cat-toy"), "--steps", "1", "--device", device, "--quiet"];
    const { code, stderr } = await darkroom(args, folder);
    expect(code).toBe(0);
    expect(stderr).toMatch(/warning: .*cat-toy\.safetensors is written as <cat-toy>, which is neither in the prompt nor in --negative/);
  });

  it("refuses a token that is taken", async () => {
    const both = ["cat-toy", "cat-toy-rows"].flatMap((name) => ["--embedding", embeddingFile(name)]);
    const message = /token <cat-toy> is already in the tokenizer's vocabulary/;
    expectFailure(await darkroom(["generate", "a <cat-toy>", ...SD1, ...both, "--quiet"], folder), 2, message);
  });

  it("refuses a LoRA, and names the option for it", async () => {
    const args = ["generate", "a fox", ...SD1, "--embedding", loraFile("sd1_peft"), "--quiet"];
    expectFailure(
      await darkroom(args, folder),
      3,
      /sd1_peft\.safetensors is a LoRA, not a textual inversion\n.*open the checkpoint it is for, and load this with --lora$/m,
    );
  });
});

describe("darkroom generate --embedding-dir", () => {
  it("refuses a pickle that the prompt names, as --embedding does, and ignores others", async () => {
    for (const name of ["fox-style.pt", "Bad.bin", "my-cat.pt"]) writeFileSync(join(placedFolder("embeddings"), name), "");
    placed(embeddingFile("cat-toy"), "embeddings/deeper/my-cat.safetensors");
    const run = (prompt: string) => darkroom(["generate", prompt, ...SD1, "--embedding-dir", "embeddings"], folder);
    const given = await darkroom(["generate", "a fox", ...SD1, "--embedding", "embeddings/fox-style.pt:fox-style"], folder);
    expectFailure(given, 3, /embeddings\/fox-style\.pt is a pickle, .*\n\s+get the safetensors file of the same embedding/);
    expect((await run("a house, fox-style")).stderr).toBe(given.stderr);
    expectFailure(await run("a bad house"), 3, /embeddings\/Bad\.bin is a pickle/);
    // The safetensors file of the same name is taken.
    const picture = (...args: string[]) => makePicture(folder, "a my-cat", ...SD1, ...args);
    expect(await picture("--embedding-dir", "embeddings")).not.toEqual(await picture());
  });

  it("finds embeddings by their files' names in prompts, in upper or lower case", async () => {
    placed(embeddingFile("bad-hands-5"), "embeddings/negative/Bad-Hands-5.safetensors");
    placed(embeddingFile("ink"), "embeddings/for-xl-only.safetensors");
    const pipe = await opened(StableDiffusionPipeline.fromPretrained(checkpoint("sd1-mini"), { device }));
    await pipe.loadTextualInversion(embeddingFile("bad-hands-5"), { token: "bad-hands-5" });
    const { images } = await pipe.generate({ ...request, negativePrompt: "bad-hands-5, blurry" });
    const args = ["--negative", "bad-hands-5, blurry", "--embedding-dir", "embeddings"];
    expect(await makePicture(folder, request.prompt, ...SD1, ...args)).toEqual(images[0]);
  });

  it("does not find a name inside a word", async () => {
    placed(embeddingFile("cat-toy"), "embeddings/ox.safetensors");
    expect(await makePicture(folder, request.prompt, ...SD1, "--embedding-dir", "embeddings")).toEqual(await plainSd1());
  });

  it("refuses a folder that does not exist", async () => {
    const run = await darkroom(["generate", "a fox", ...SD1, "--embedding-dir", "none"], folder);
    expectFailure(run, 2, /--embedding-dir: cannot read the folder none: it does not exist/);
  });
});

describe("an embedding's file with the name of an ordinary word", () => {
  it("is refused with a way to give it another token", async () => {
    placed(embeddingFile("cat-toy"), "embeddings/cat.safetensors");
    const run = await darkroom(["generate", "a red cat", ...SD1, "--embedding-dir", "embeddings"], folder);
    const hint =
      /embeddings\/cat\.safetensors: token cat is already in .*\n\s+write another .*: --embedding "(embeddings\/cat\.safetensors:<my-cat>)"$/m;
    expectFailure(run, 2, hint);
    const way = ["--embedding", hint.exec(run.stderr)?.[1] ?? "", "--embedding-dir", "embeddings"];
    expect(await makePicture(folder, "a <my-cat>", ...SD1, ...way)).not.toEqual(await makePicture(folder, "a cat", ...SD1));
  });
});

describe("darkroom generate --weighted", () => {
  it.each(["a (red:1.4) fox BREAK [snow|grass] in [the] wood", `${"a fox and a house, ".repeat(20)}(blue:0.3)`])(
    "reads prompts as AUTOMATIC1111's web UI does: %j",
    async (prompt) => {
      const picture = await plainSd1({ prompt, negativePrompt: "(blurry)", promptSyntax: "a1111" });
      expect(await makePicture(folder, prompt, "--negative", "(blurry)", ...SD1, "--weighted")).toEqual(picture);
    },
  );

  it("refuses prompts that are joined with AND", async () => {
    const args = ["generate", "a fox AND a house", ...SD1, "--weighted", "--quiet"];
    expectFailure(await darkroom(args, folder), 2, /joins several prompts with AND/);
  });
});

describe("the settings of a picture with LoRAs and embeddings", () => {
  const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex").slice(0, 12);

  it("hold tags and hashes as AUTOMATIC1111 writes them", async () => {
    placed(loraFile("sd1_peft"), "loras/fox.safetensors");
    const args = ["--lora-dir", "loras", "--lora", `${loraFile("sd1_locon")}:0.5`, "--embedding", embeddingFile("cat-toy")];
    await makePicture(folder, "a <cat-toy> <lora:fox:0.7>, red", ...SD1, ...args);
    const [fox, locon] = [loraFile("sd1_peft"), loraFile("sd1_locon")].map((path) => {
      const bytes = readFileSync(path);
      return sha256(bytes.subarray(8 + Number(bytes.readBigUInt64LE())));
    });
    expect(await parametersOf(folder)).toMatchObject({
      prompt: "a <cat-toy> <lora:fox:0.7>, red <lora:sd1_locon:0.5>",
      settings: {
        "Lora hashes": `sd1_locon: ${locon}, fox: ${fox}`,
        "TI hashes": `<cat-toy>: ${sha256(readFileSync(embeddingFile("cat-toy")))}`,
      },
    });
  });

  it("hold the hash that is in a LoRA's file", async () => {
    const hash = "0123456789abcdef".repeat(4);
    writeSafetensors(join(folder, "fox.safetensors"), readTensors(loraFile("sd1_peft")), { sshs_model_hash: hash });
    await makePicture(folder, request.prompt, ...SD1, "--lora", "fox.safetensors");
    expect((await parametersOf(folder)).settings["Lora hashes"]).toBe("fox: 0123456789ab");
  });

  it("say that brackets are no emphasis, if they are none", async () => {
    await makePicture(folder, "a (red) fox", ...SD1);
    expect((await parametersOf(folder)).settings).toMatchObject({ Emphasis: "None" });
    await makePicture(folder, "a (red) fox", ...SD1, "--weighted");
    expect((await parametersOf(folder)).settings).not.toHaveProperty("Emphasis");
  });

  it("are in the JSON: the prompt without tags, and what was loaded", async () => {
    placed(loraFile("sd1_peft"), "loras/fox.safetensors");
    const args = ["generate", "a <cat-toy> <lora:fox:0.7:0.5>", ...SD1, "--lora-dir", "loras", "--embedding", embeddingFile("cat-toy")];
    const { stdout } = await darkroom([...args, "--weighted", "--steps", "1", "--device", device, "--json", "--quiet"], folder);
    expect(JSON.parse(stdout)).toMatchObject({
      prompt: "a <cat-toy>",
      weighted: true,
      loras: [{ name: "fox", weight: 0.7, unetWeight: 0.5, file: join(folder, "loras/fox.safetensors"), unmatched: [] }],
      embeddings: [{ tokens: ["<cat-toy>"], file: embeddingFile("cat-toy") }],
    });
  });
});

describe("darkroom generate --lora, with a mistake", () => {
  it.each([
    ["a file that is not there", ["--lora", "none.safetensors:0.8"], 3, /none\.safetensors does not exist/],
    [
      "a weight that is not a number",
      ["--lora", "fox.safetensors:strong"],
      2,
      /--lora is "fox\.safetensors:strong"; expected .*:WEIGHT.*\n\s+example: /,
    ],
    ["an embedding", ["--lora", embeddingFile("cat-toy")], 3, /is a textual inversion, not a LoRA\n.*load this with --embedding$/m],
    [
      "a LoRA of another family",
      ["--lora", loraFile("xl_peft")],
      3,
      /xl_peft\.safetensors: tensor .* expected .*\n\s+the LoRA was made for another/,
    ],
    [
      "a folder with several",
      ["--lora", join(loraFile("xl_peft"), "..")],
      3,
      /\d+ files that may be the LoRA.*\n\s+give one of the files, such as .*adapters\/[\w-]+\.safetensors$/m,
    ],
    ["a pickle", ["--lora", "fox.pt"], 3, /fox\.pt is a pickle, .*\n\s+get the safetensors file of the same LoRA/],
  ])("ends with an error for %s", async (_, args, code, message) => {
    for (const name of ["fox.safetensors", "fox.pt"]) writeFileSync(join(folder, name), "");
    expectFailure(await darkroom(["generate", "a fox", ...SD1, ...args, "--quiet"], folder), code, message);
  });
});
