import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  ArgumentError,
  DDPMScheduler,
  DPMSolverMultistepScheduler,
  EulerDiscreteScheduler,
  OutputError,
  StableDiffusionPipeline,
  UNet2DConditionModel,
} from "../../src/index.js";
import { checkpoint } from "../helpers/fixtures.js";
import { readTensors } from "../helpers/safetensors.js";
import { temporaryFolder } from "../helpers/temporary.js";
import { collectWarnings } from "../helpers/warnings.js";

const LORA = checkpoint("../fixtures/lora/adapters/sd1_peft.safetensors");
const REQUEST = { prompt: "a red fox", seed: 7, numInferenceSteps: 2, outputType: "tensor" } as const;

const open = (path = checkpoint("sd1-mini")) => StableDiffusionPipeline.fromPretrained(path);
const json = (...path: readonly string[]) => JSON.parse(readFileSync(join(...path), "utf8"));

describe("savePretrained", () => {
  it("divides weights into files of at most maxShardSize bytes, with an index by the variant's name", async () => {
    await using unet = await UNet2DConditionModel.fromPretrained(checkpoint("sd1-mini"), { subfolder: "unet" });
    const folder = temporaryFolder();
    await unet.savePretrained(folder, { maxShardSize: "100KB", variant: "fp16" });
    const { metadata, weight_map: map } = json(folder, "diffusion_pytorch_model.safetensors.index.fp16.json");
    const shards = readdirSync(folder).filter((name) => /^diffusion_pytorch_model\.fp16-\d{5}-of-\d{5}\.safetensors$/.test(name));
    expect(new Set(Object.values(map))).toEqual(new Set(shards));
    const tensors = Object.assign({}, ...shards.map((shard) => readTensors(join(folder, shard))));
    expect(tensors).toEqual(readTensors(checkpoint("sd1-mini/unet/diffusion_pytorch_model.safetensors")));
    expect(metadata.total_size).toBe(unet.weights.bytes);
    await using again = await UNet2DConditionModel.fromPretrained(folder, { variant: "fp16" });
    expect(again.weights.names().sort()).toEqual(unet.weights.names().sort());
  });

  it("removes the weights of an earlier save under other names", async () => {
    await using unet = await UNet2DConditionModel.fromPretrained(checkpoint("sd1-mini"), { subfolder: "unet" });
    const folder = temporaryFolder({ "notes.txt": "mine" });
    await unet.savePretrained(folder, { maxShardSize: 100_000 });
    await unet.savePretrained(folder);
    expect(readdirSync(folder).sort()).toEqual(["config.json", "diffusion_pytorch_model.safetensors", "notes.txt"]);
  });

  it("leaves nothing if it is stopped, and tells its progress", async () => {
    await using pipe = await open();
    const [folder, controller] = [temporaryFolder(), new AbortController()];
    const reason = new Error("enough");
    const save = pipe.savePretrained(join(folder, "saved"), {
      signal: controller.signal,
      onProgress: ({ written, total }) => {
        if (written > total / 2) controller.abort(reason);
      },
    });
    await expect(save).rejects.toBe(reason);
    expect(readdirSync(folder)).toEqual([]);
  });

  it("refuses to replace the weights that the pipeline reads, and changes nothing", async () => {
    const folder = join(temporaryFolder(), "own");
    await using first = await open();
    await first.savePretrained(folder);
    await using pipe = await open(folder);
    const before = readFileSync(join(folder, "unet/diffusion_pytorch_model.safetensors"));
    await expect(pipe.savePretrained(folder, { dtype: "float16" })).rejects.toThrow(/read their weights from .*safetensors in this folder/);
    expect(readFileSync(join(folder, "unet/diffusion_pytorch_model.safetensors"))).toEqual(before);
    await pipe.savePretrained(folder, { variant: "fp16", dtype: "float16" });
    expect(existsSync(join(folder, "unet/diffusion_pytorch_model.fp16.safetensors"))).toBe(true);
  });

  it("saves fused LoRAs in the weights of all networks: the pictures are the same", async () => {
    await using pipe = await open();
    await pipe.loadLoraWeights(LORA, { adapterName: "a" });
    pipe.fuseLora({ loraScale: 0.7 });
    const folder = join(temporaryFolder(), "fused");
    await pipe.savePretrained(folder);
    await using saved = await open(folder);
    const [{ images: expected }, { images: found }] = [await pipe.generate(REQUEST), await saved.generate(REQUEST)];
    expect(
      found
        .sub(expected)
        .map(Math.abs)
        .data.reduce((a, b) => Math.max(a, b)),
    ).toBeLessThan(1 / 255);
    pipe.unfuseLora();
    pipe.disableLora();
    const { images: plain } = await pipe.generate(REQUEST);
    expect(
      found
        .sub(plain)
        .map(Math.abs)
        .data.reduce((a, b) => Math.max(a, b)),
    ).toBeGreaterThan(1 / 255);
  });

  it("warns that an active LoRA that is not fused is not saved", async () => {
    await using pipe = await open();
    await pipe.loadLoraWeights(LORA, { adapterName: "foxes" });
    const folder = join(temporaryFolder(), "plain");
    const warnings = collectWarnings();
    await pipe.savePretrained(folder);
    expect(warnings.join("\n")).toMatch(/LoRAs foxes are active but not fused.*fuseLora\(\)/);
    const path = "unet/diffusion_pytorch_model.safetensors";
    expect(readTensors(join(folder, path))).toEqual(readTensors(checkpoint(`sd1-mini/${path}`)));
  });

  it("writes whole numbers with a point where transformers wants floats", async () => {
    await using pipe = await open();
    const folder = join(temporaryFolder(), "saved");
    await pipe.savePretrained(folder);
    expect(readFileSync(join(folder, "text_encoder/config.json"), "utf8")).toMatch(/"initializer_factor": 1\.0,/);
  });

  it("names wrong options and paths", async () => {
    await using pipe = await open();
    const file = join(temporaryFolder({ taken: "text" }), "taken");
    await expect(pipe.savePretrained(file)).rejects.toThrow(OutputError);
    await expect(pipe.savePretrained("")).rejects.toThrow(ArgumentError);
    await expect(pipe.savePretrained(`${file}2`, { maxShardSize: "5 gigabytes" })).rejects.toThrow(/maxShardSize is "5 gigabytes".*5GB/);
    await expect(pipe.savePretrained(`${file}2`, { variant: "a/b" })).rejects.toThrow(/variant/);
    expect(existsSync(`${file}2`)).toBe(false);
  });
});

describe("saveConfig", () => {
  it("of a scheduler keeps the fields of other classes, and numbers that JSON does not have", async () => {
    const folder = temporaryFolder();
    const solver = new DPMSolverMultistepScheduler({ useKarrasSigmas: true, solverOrder: 3 });
    const euler = EulerDiscreteScheduler.fromConfig(solver.config);
    await euler.saveConfig(folder);
    expect(readFileSync(join(folder, "scheduler_config.json"), "utf8")).toContain('"_class_name": "EulerDiscreteScheduler"');
    const again = await DPMSolverMultistepScheduler.fromPretrained(folder);
    expect(again.config.solverOrder).toBe(3);
    await solver.savePretrained(folder);
    expect(readFileSync(join(folder, "scheduler_config.json"), "utf8")).toContain('"lambda_min_clipped": -Infinity');
    expect((await DPMSolverMultistepScheduler.fromPretrained(folder)).config.lambdaMinClipped).toBe(Number.NEGATIVE_INFINITY);
    await new DDPMScheduler().saveConfig(folder);
    expect(json(folder, "scheduler_config.json")._class_name).toBe("DDPMScheduler");
  });

  it("of a network writes no weights", async () => {
    await using unet = await UNet2DConditionModel.fromPretrained(checkpoint("sd1-mini"), { subfolder: "unet" });
    const folder = join(temporaryFolder(), "unet");
    await unet.saveConfig(folder);
    expect(readdirSync(folder)).toEqual(["config.json"]);
    expect(json(folder, "config.json")).toMatchObject({ _class_name: "UNet2DConditionModel", block_out_channels: [16, 32] });
    writeFileSync(join(folder, "config.json"), "{}");
  });
});
