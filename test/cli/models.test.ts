import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, statSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { confirm } from "../../src/cli/confirm.js";
import { checkpoint } from "../helpers/fixtures.js";
import { FULL_SIZE, type Shapes, sparseFile, vae } from "../helpers/full-size-files.js";
import { HubServer } from "../helpers/hub-server.js";
import { singleFile } from "../helpers/single-files.js";
import { temporaryFolder } from "../helpers/temporary.js";
import { loraFile } from "../lora/loras.js";
import { embeddingFile } from "../pipelines/embeddings.js";
import { darkroom, expectFailure } from "./darkroom.js";

let folder: string;
beforeEach(() => {
  folder = temporaryFolder();
  // Without the weights that this machine's user has quantised.
  vi.stubEnv("DARKROOM_CACHE", temporaryFolder());
  onTestFinished(() => void vi.unstubAllEnvs());
});

const models = (...args: string[]) => darkroom(["models", ...args], folder);
const listed = async (...args: string[]) => JSON.parse((await models(...args, "--json")).stdout).models;

/** The shapes of a LoRA of one layer. */
const lora = (layer: string, down: readonly number[]): Shapes => {
  const name = `lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_${layer}`;
  return { [`${name}.lora_down.weight`]: down, [`${name}.lora_up.weight`]: [320, down[0] ?? 0] };
};

/** A hub whose one checkpoint, and one LoRA, were downloaded. */
async function filledCache(): Promise<HubServer> {
  const hub = await HubServer.start({
    "someone/sd1": "sd1-mini",
    "someone/lora": { "fox.safetensors": readFileSync(loraFile("sd1_peft")) },
  });
  const args = [
    "generate",
    "fox",
    "--model",
    "someone/sd1",
    "--lora",
    "someone/lora",
    "--steps",
    "1",
    "--device",
    "cpu",
    "--out",
    "fox.png",
  ];
  expect(await darkroom(args, folder)).toMatchObject({ code: 0 });
  return hub;
}

describe("darkroom models", () => {
  it("lists the cache: id, kind, size, last use, branch and commit", async () => {
    const hub = await filledCache();
    const { code, stdout } = await models();
    const today = new Date().toISOString().slice(0, 10);
    expect(code).toBe(0);
    expect(stdout).toMatch(`${hub.cacheDir}: 2.0 MB\n`);
    expect(stdout).toMatch(new RegExp(`^  someone/lora +LoRA +65\\.9 kB +${today} +main [0-9a-f]{7}$`, "m"));
    expect(stdout).toMatch(new RegExp(`^  someone/sd1 +StableDiffusionPipeline +1\\.9 MB +${today} +main [0-9a-f]{7}$`, "m"));
  });

  it("lists it as one line of JSON", async () => {
    const hub = await filledCache();
    const { stdout } = await models("--json");
    expect(stdout.match(/\n/g)).toHaveLength(1);
    expect(JSON.parse(stdout)).toMatchObject({
      cacheDir: hub.cacheDir,
      models: [
        { name: "someone/lora", kind: "LoRA", size: statSync(loraFile("sd1_peft")).size },
        {
          name: "someone/sd1",
          kind: "StableDiffusionPipeline",
          path: join(hub.cacheDir, "models--someone--sd1"),
          revisions: [{ commit: expect.stringMatching(/^[0-9a-f]{40}$/), refs: ["main"] }],
          unfinished: 0,
          lastUsed: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
        },
      ],
    });
  });

  it("shows unfinished downloads", async () => {
    const hub = await filledCache();
    writeFileSync(join(hub.cacheDir, "models--someone--lora/blobs/x.incomplete"), new Uint8Array(1_234_567));
    expect((await models()).stdout).toMatch(/someone\/lora .* main [0-9a-f]{7}, incomplete: 1\.2 MB of unfinished downloads$/m);
  });

  it("says that the cache is empty", async () => {
    expect((await models("--cache-dir", "none")).stdout).toBe(`${join(folder, "none")}: no models\n`);
  });

  it("finds checkpoints, networks and single files in folders, not the files inside of checkpoints", async () => {
    cpSync(checkpoint("sd1-mini"), join(folder, "models/deep/sd1"), { recursive: true });
    cpSync(checkpoint("controlnet-mini"), join(folder, "models/edges"), { recursive: true });
    mkdirSync(join(folder, "models/loras"));
    copyFileSync(loraFile("sd1_kohya"), join(folder, "models/loras/fox.safetensors"));
    copyFileSync(embeddingFile("cat-toy"), join(folder, "models/cat.safetensors"));
    writeFileSync(join(folder, "models/broken.safetensors"), "not what it says");
    // The settings of a program, in the folder above.
    writeFileSync(join(folder, "models/config.json"), '{"theme": "dark"}');
    const found = (await listed("models", "--cache-dir", "none")).map(({ name, kind }: { name: string; kind: string }) => [name, kind]);
    expect(found).toEqual([
      ["models/broken.safetensors", "damaged"],
      ["models/cat.safetensors", "textual inversion"],
      ["models/deep/sd1", "StableDiffusionPipeline"],
      ["models/edges", "ControlNetModel"],
      ["models/loras/fox.safetensors", "LoRA"],
    ]);
  });

  it.each([
    ["a checkpoint", () => sparseFile(FULL_SIZE["sdxl-base"]?.() ?? {}), "StableDiffusionXLPipeline"],
    ["a checkpoint of unusual proportions", () => singleFile("sd1-inpaint-mini"), "StableDiffusionInpaintPipeline"],
    ["an autoencoder", () => sparseFile(vae("")), "AutoencoderKL"],
    ["a ControlNet", () => singleFile("controlnet-mini"), "ControlNetModel"],
    ["a LoRA", () => sparseFile(lora("attn2_to_k", [4, 2048])), "LoRA for Stable Diffusion XL"],
    ["a LoCon", () => loraFile("sd1_locon"), "LoCon"],
    ["an embedding", () => sparseFile({ emb_params: [4, 768] }), "textual inversion for Stable Diffusion 1"],
    ["another family", () => sparseFile({ "double_blocks.0.img_attn.norm.key_norm.scale": [1], b: [1] }), "not run by Darkroom: Flux"],
    ["something else", () => sparseFile({ a: [1], b: [1] }), "of no known kind"],
  ])("recognises %s in a file", async (_, make, kind) => {
    // Links, since some are as large as they are in life.
    symlinkSync(make(), join(folder, "file.safetensors"));
    expect(await listed(".", "--cache-dir", "none")).toMatchObject([{ name: "file.safetensors", kind }]);
  });

  it("counts all bytes of a checkpoint in a folder", async () => {
    const size = 1_915_309;
    expect(await listed(checkpoint("sd1-mini"), "--cache-dir", "none")).toMatchObject([{ name: checkpoint("sd1-mini"), size }]);
  });

  it("ends if links lead in a circle", async () => {
    mkdirSync(join(folder, "models"));
    symlinkSync("..", join(folder, "models/up"), "dir");
    copyFileSync(loraFile("sd1_kohya"), join(folder, "models/fox.safetensors"));
    expect(await listed("models", "--cache-dir", "none")).toHaveLength(1);
  });

  it("does not count as a use of the models", async () => {
    copyFileSync(loraFile("sd1_kohya"), join(folder, "fox.safetensors"));
    const time = new Date("2020-02-03T04:05:06Z");
    utimesSync(join(folder, "fox.safetensors"), time, time);
    for (const _ of [1, 2]) expect(await listed(".", "--cache-dir", "none")).toMatchObject([{ lastUsed: time.toISOString() }]);
  });

  it("refuses a folder that does not exist", async () => {
    expectFailure(await models("none", "--cache-dir", "cache"), 2, /cannot read the folder none: it does not exist/);
  });
});

describe("names of models", () => {
  it("cannot control the terminal, be they classes or folders", async () => {
    const path = temporaryFolder({ "\u001b[2Jevil/model_index.json": { _class_name: "Evil\u001b[31m\u009bPipeline" } });
    const { stdout } = await models(path);
    expect(stdout).toMatch(/\/\\u001b\[2Jevil {2}Evil \[31m Pipeline /);
    expect((await listed(path)).at(-1)).toMatchObject({ kind: "Evil [31m Pipeline" });
  });
});

describe("darkroom models rm", () => {
  it("removes a repository, and says how much space that freed", async () => {
    const hub = await filledCache();
    expect(await models("rm", "someone/sd1", "--yes")).toEqual({ code: 0, stdout: "removed someone/sd1: 1.9 MB freed\n", stderr: "" });
    expect(existsSync(join(hub.cacheDir, "models--someone--sd1"))).toBe(false);
    expect((await listed()).map(({ name }: { name: string }) => name)).toEqual(["someone/lora"]);
  });

  it("removes nothing if nobody can confirm it, unless --yes is given", async () => {
    const hub = await filledCache();
    expectFailure(await models("rm", "someone/sd1"), 2, /the removal cannot be confirmed: .*\n\s+add --yes/);
    expect(existsSync(join(hub.cacheDir, "models--someone--sd1"))).toBe(true);
  });

  it("looks in --cache-dir", async () => {
    const hub = await filledCache();
    expectFailure(
      await models("rm", "someone/sd1", "--yes", "--cache-dir", "other"),
      3,
      /someone\/sd1 is not in the cache\n\s+darkroom models lists the repositories in it/,
    );
    expect(await models("rm", "someone/sd1", "--yes", "--cache-dir", hub.cacheDir)).toMatchObject({ code: 0 });
  });

  it("refuses a name that is not an id", async () => {
    expectFailure(await models("rm", "../sd1", "--yes"), 2, /"\.\.\/sd1"; expected the id of a repository: owner\/name/);
  });
});

describe("confirm", () => {
  const answered = async (answer: string) => {
    const [input, output] = [new PassThrough(), new PassThrough()];
    input.end(answer);
    const agreed = await confirm("Remove it?", { input, output });
    return { agreed, asked: String(output.read()) };
  };

  it("asks", async () => expect(await answered("y\n")).toEqual({ agreed: true, asked: "Remove it? [y/N] " }));

  it.each(["y\n", "Y\n", "yes\n", " yes \n"])("takes %j as yes", async (answer) => expect((await answered(answer)).agreed).toBe(true));

  it.each(["n\n", "\n", "yess\n", "no\ny\n", ""])("takes %j as no", async (answer) => expect((await answered(answer)).agreed).toBe(false));

  it("ends when the signal aborts", async () => {
    const stop = new AbortController();
    const work = confirm("Remove it?", { input: new PassThrough(), output: new PassThrough(), signal: stop.signal });
    stop.abort(new Error("stopped"));
    await expect(work).rejects.toThrow("stopped");
  });
});
