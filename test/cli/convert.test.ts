import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { StableDiffusionPipeline } from "../../src/index.js";
import { checkpoint } from "../helpers/fixtures.js";
import { readTensors } from "../helpers/safetensors.js";
import { singleFile } from "../helpers/single-files.js";
import { temporaryFolder } from "../helpers/temporary.js";
import { darkroom } from "./darkroom.js";

const LORA = checkpoint("../fixtures/lora/adapters/sd1_peft.safetensors");
const REQUEST = { prompt: "a red fox", seed: 7, numInferenceSteps: 2, outputType: "tensor" } as const;
const CONFIG = ["--config", checkpoint("sd1-mini")];

describe("darkroom convert", () => {
  it("writes a single file as a folder with the same pictures", async () => {
    const [home, file] = [temporaryFolder(), singleFile("sd1-mini")];
    const run = await darkroom(["convert", file, "./fox", ...CONFIG], home);
    expect(run).toMatchObject({ code: 0, stdout: "./fox\n" });
    expect(run.stderr).toMatch(/100%/);
    expect(readdirSync(home)).toEqual(["fox"]);
    await using single = await StableDiffusionPipeline.fromSingleFile(file, { config: checkpoint("sd1-mini") });
    await using folder = await StableDiffusionPipeline.fromPretrained(join(home, "fox"));
    expect((await folder.generate(REQUEST)).images).toEqual((await single.generate(REQUEST)).images);
  });

  it("adds LoRAs to the weights, takes another autoencoder and converts the weights", async () => {
    const home = temporaryFolder();
    const vae = checkpoint("vae-swap-mini");
    const args = ["--lora", `${LORA}:0.7`, "--vae", vae, "--dtype", "fp16", "--variant", "fp16", "--quiet"];
    const run = await darkroom(["convert", checkpoint("sd1-mini"), "fox", ...args], home);
    expect(run).toMatchObject({ code: 0, stderr: "" });
    const read = (path: string) => readTensors(join(home, "fox", path));
    expect(Object.values(read("unet/diffusion_pytorch_model.fp16.safetensors")).every(({ dtype }) => dtype === "float16")).toBe(true);
    const other = Object.values(readTensors(join(vae, "diffusion_pytorch_model.safetensors")))[0];
    const names = Object.keys(readTensors(join(vae, "diffusion_pytorch_model.safetensors")));
    expect(read("vae/diffusion_pytorch_model.fp16.safetensors")[names[0] ?? ""]).toEqual(other?.to("float16"));
    await using pipe = await StableDiffusionPipeline.fromPretrained(checkpoint("sd1-mini"));
    await pipe.loadLoraWeights(LORA);
    pipe.setAdapters("default_0", 0.7);
    pipe.fuseLora();
    pipe.unloadLoraWeights();
    const saved = join(home, "expected");
    await pipe.unet.savePretrained(saved, { dtype: "float16" });
    expect(readFileSync(join(home, "fox/unet/diffusion_pytorch_model.fp16.safetensors"))).toEqual(
      readFileSync(join(saved, "diffusion_pytorch_model.safetensors")),
    );
  });

  it("reads and writes variants, in several files", async () => {
    const home = temporaryFolder();
    const size = ["--max-shard-size", "100KB", "--quiet"];
    expect(
      await darkroom(["convert", checkpoint("sd1-mini"), "half", "--dtype", "fp16", "--variant", "fp16", ...size], home),
    ).toMatchObject({
      code: 0,
    });
    expect(readdirSync(join(home, "half/unet"))).toContain("diffusion_pytorch_model.safetensors.index.fp16.json");
    expect((await darkroom(["convert", "half", "again", "--quiet"], home)).code).toBe(3);
    expect(await darkroom(["convert", "half", "again", "--from-variant", "fp16", "--quiet"], home)).toMatchObject({ code: 0, stderr: "" });
    const tensors = readTensors(join(home, "again/unet/diffusion_pytorch_model.safetensors"));
    expect(Object.values(tensors).every(({ dtype }) => dtype === "float16")).toBe(true);
  });

  it("refuses a folder with files, and writes nothing if something is wrong", async () => {
    const home = temporaryFolder({ "full/notes.txt": "mine" });
    const model = checkpoint("sd1-mini");
    const full = await darkroom(["convert", model, "full"], home);
    expect(full.code).toBe(5);
    expect(full.stderr).toMatch(/cannot write full: the folder is not empty/);
    expect(readdirSync(join(home, "full"))).toEqual(["notes.txt"]);
    const forced = await darkroom(["convert", model, "full", "--force", "--quiet"], home);
    expect(forced).toMatchObject({ code: 0, stdout: "full\n", stderr: "" });
    expect(readdirSync(join(home, "full"))).toEqual(expect.arrayContaining(["model_index.json", "notes.txt", "unet"]));
    const own = await darkroom(["convert", "full", "full", "--force", "--quiet"], home);
    expect(own).toMatchObject({ code: 5, stderr: expect.stringMatching(/read their weights from .* in this folder/) });
    expect((await darkroom(["convert", "missing.safetensors", "out"], home)).code).toBe(3);
    expect((await darkroom(["convert", model, "out", "--lora", "missing.safetensors"], home)).code).toBe(3);
    const size = await darkroom(["convert", model, "out", "--max-shard-size", "much"], home);
    expect(size).toMatchObject({ code: 2, stderr: expect.stringContaining("--max-shard-size") });
    expect((await darkroom(["convert", model, "out", "--dtype", "fp4"], home)).code).toBe(2);
    expect(existsSync(join(home, "out"))).toBe(false);
    expect(readdirSync(home)).toEqual(["full"]);
  });

  it("finds a folder with files before anything is read or downloaded", async () => {
    const home = temporaryFolder({ "full/notes.txt": "mine" });
    const run = await darkroom(["convert", "missing.safetensors", "full"], home);
    expect(run).toMatchObject({ code: 5, stderr: expect.stringMatching(/cannot write full: the folder is not empty/) });
    expect((await darkroom(["convert", "missing.safetensors", "full/notes.txt"], home)).stderr).toMatch(
      /it is a file; a folder was expected/,
    );
  });

  it.each([
    ["vae-swap-mini", "vae-swap-mini", "AutoencoderKL"],
    ["controlnet-mini", "controlnet-mini", "ControlNetModel"],
    ["motion-adapter-v3", "options/motion-adapter-v3", "MotionAdapter"],
  ])("writes a network alone as its folder: %s", async (name, folder, className) => {
    const home = temporaryFolder();
    const args = ["convert", singleFile(name), "out", "--config", checkpoint(folder), "--quiet"];
    expect(await darkroom(args, home)).toMatchObject({ code: 0, stdout: "out\n", stderr: "" });
    const made = readTensors(join(home, "out/diffusion_pytorch_model.safetensors"));
    expect(made).toEqual(readTensors(join(checkpoint(folder), "diffusion_pytorch_model.safetensors")));
    expect(JSON.parse(readFileSync(join(home, "out/config.json"), "utf8"))).toMatchObject({ _class_name: className });
    const half = await darkroom(["convert", "out", "half", "--dtype", "fp16", "--quiet"], home);
    expect(half).toMatchObject({ code: 0, stderr: "" });
    const halves = Object.values(readTensors(join(home, "half/diffusion_pytorch_model.safetensors")));
    expect(halves.every(({ dtype }) => dtype === "float16")).toBe(true);
  });

  it("refuses what is no checkpoint and no network by name, and additions to a network", async () => {
    const home = temporaryFolder();
    const refused = async (...args: string[]) => (await darkroom(["convert", ...args, "out"], home)).stderr;
    expect(await refused(LORA)).toMatch(/sd1_peft\.safetensors is a LoRA, not a checkpoint/);
    const vae = checkpoint("vae-swap-mini");
    expect(await refused(singleFile("vae-swap-mini"), "--config", vae, "--vae", vae)).toMatch(
      /--vae was given; .*vae-swap-mini\.safetensors is an AutoencoderKL alone/,
    );
    expect(await refused(checkpoint("controlnet-mini"), "--lora", LORA)).toMatch(/--lora was given; .* is a ControlNetModel alone/);
    expect(readdirSync(home)).toEqual([]);
  });
});
