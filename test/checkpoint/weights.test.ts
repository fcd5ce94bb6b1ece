import { mkdirSync, realpathSync, renameSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openWeights } from "../../src/checkpoint/weights.js";
import { locationOf } from "../../src/platform/node/disk-file.js";
import { openFolder } from "../../src/platform/node/platform.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { checkpointError } from "../helpers/errors.js";
import { safetensorsBytes, writeSafetensors } from "../helpers/safetensors.js";
import { temporaryFolder } from "../helpers/temporary.js";
import { collectWarnings } from "../helpers/warnings.js";

/** Bytes of a safetensors file whose tensors hold one uint8 each. */
const file = (...names: string[]) =>
  safetensorsBytes(
    Object.fromEntries(names.map((name, i) => [name, { dtype: "U8", shape: [1], data_offsets: [i, i + 1] }])),
    new Uint8Array(names.length),
  );
const index = (weight_map: unknown) => ({ metadata: { total_size: 1 }, weight_map });
const open = (files: Record<string, unknown>, variant?: string) => openWeights(openFolder(temporaryFolder(files)), { variant });

describe("openWeights", () => {
  it.each(["diffusion_pytorch_model.safetensors", "model.safetensors"])("finds %s", async (name) => {
    expect((await open({ [name]: file("a") })).names()).toEqual(["a"]);
  });

  it("counts the tensors of each dtype", async () => {
    const weights = await openWeights(openFolder("test/checkpoints/sdxl-base-mini/unet"), { variant: "fp16" });
    expect(weights.dtypes()).toEqual({ F16: 292 });
  });

  it("takes the full files if no variant is wanted", async () => {
    const weights = await openWeights(openFolder("test/checkpoints/sdxl-base-mini/unet"));
    expect(weights.dtypes()).toEqual({ F32: 292 });
  });

  it("falls back to the full file with a warning when the variant is missing", async () => {
    const warnings = collectWarnings();
    const weights = await openWeights(openFolder("test/checkpoints/sd1-mini/unet"), { variant: "fp16" });
    expect(weights.dtypes()).toEqual({ F32: 208 });
    expect(warnings).toEqual(["test/checkpoints/sd1-mini/unet has no fp16 variant; diffusion_pytorch_model.safetensors is used instead"]);
  });

  describe("with scales beside fp8 weights", () => {
    type Entry = readonly [name: string, dtype: string, shape: readonly number[]];
    const tensors = (...entries: readonly Entry[]) => {
      let end = 0;
      const header = entries.map(([name, dtype, shape]) => {
        const length = shape.reduce((a, b) => a * b, dtype === "F32" ? 4 : 1);
        end += length;
        return [name, { dtype, shape, data_offsets: [end - length, end] }];
      });
      return safetensorsBytes(Object.fromEntries(header), new Uint8Array(end));
    };
    const layer: Entry = ["a.weight", "F8_E4M3", [2, 3]];

    it("does not count them, or markers, as weights", async () => {
      const markers: readonly Entry[] = [
        ["scaled_fp8", "F8_E4M3", [0]],
        ["a.scale_input", "F32", []],
        ["a.comfy_quant", "U8", [3]],
      ] as const;
      const weights = await open({ "model.safetensors": tensors(layer, ["a.scale_weight", "F32", []], ...markers) });
      expect(weights.names()).toEqual(["a.weight"]);
      expect(weights.get("a.weight")).toMatchObject({ dtype: "float8_e4m3fn", scale: { dtype: "float32", shape: [] } });
      expect(weights.dtypes()).toEqual({ F8_E4M3: 1 });
    });

    it("finds them in another shard", async () => {
      const shards = { "a.weight": "1.safetensors", "a.weight_scale": "2.safetensors", "a.input_scale": "2.safetensors" };
      const weights = await open({
        "model.safetensors.index.json": JSON.stringify({ weight_map: shards }),
        "1.safetensors": tensors(layer),
        "2.safetensors": tensors(["a.weight_scale", "F32", [2, 1]], ["a.input_scale", "F32", []]),
      });
      expect(weights.names()).toEqual(["a.weight"]);
      expect(weights.get("a.weight").scale?.shape).toEqual([2, 1]);
    });

    it("refuses a scale of another number of rows, a scaled integer, and a scale without a weight", async () => {
      const file = async (...entries: readonly Entry[]) => (await open({ "model.safetensors": tensors(...entries) })).get("a.weight");
      expect((await checkpointError(file(layer, ["a.scale_weight", "F32", [3]]))).message).toMatch(
        /tensor a.scale_weight is \[3\]; expected one number, or 2, one for each row of a.weight/,
      );
      expect((await checkpointError(file(["a.weight", "U8", [2, 3]], ["a.weight_scale", "F32", [2]]))).message).toMatch(
        /tensor a.weight is U8; a scaled weight and its scale must be floats/,
      );
      expect((await checkpointError(file(layer, ["b.weight_scale", "F32", []]))).message).toMatch(
        /tensor b.weight_scale is a scale without its weight/,
      );
    });
  });

  it("does not warn if the variant exists", async () => {
    const warnings = collectWarnings();
    await openWeights(openFolder("test/checkpoints/sdxl-base-mini/vae"), { variant: "fp16" });
    expect(warnings).toEqual([]);
  });

  it("names the existing variants if the full files are missing", async () => {
    const error = await checkpointError(open({ "model.fp16.safetensors": file("a"), "model.bf16-00001-of-00002.safetensors": file("b") }));
    expect(error.message).toMatch(/has no full weights, only the variant bf16, fp16/);
    expect(error.hint).toMatch(/variant: "bf16"/);
  });

  it("names the existing variants if another one is wanted", async () => {
    const error = await checkpointError(open({ "model.fp16.safetensors": file("a") }, "ema"));
    expect(error.message).toMatch(/has no ema weights, only the variant fp16/);
  });

  it.each(["diffusion_pytorch_model", "model"])("joins the shards of %s", async (base) => {
    const [one, two] = [`${base}-00001-of-00002.safetensors`, `${base}-00002-of-00002.safetensors`];
    const weights = await open({
      [`${base}.safetensors.index.json`]: index({ a: one, b: two, c: two }),
      [one]: file("a"),
      [two]: file("b", "c"),
    });
    expect(weights.names().sort()).toEqual(["a", "b", "c"]);
    expect(weights.get("a").file.id).toMatch(/00001-of-00002/);
    expect(weights.get("c").file.id).toMatch(/00002-of-00002/);
  });

  it.each([
    "diffusion_pytorch_model.safetensors.index.fp16.json",
    "diffusion_pytorch_model.safetensors.fp16.index.json",
    "diffusion_pytorch_model.fp16.safetensors.index.json",
  ])("finds a variant's shards through %s", async (name) => {
    const shard = "diffusion_pytorch_model.fp16-00001-of-00001.safetensors";
    const weights = await open({ [name]: index({ a: shard }), [shard]: file("a") }, "fp16");
    expect(weights.names()).toEqual(["a"]);
  });

  it("finds the shards in diffusers' old spelling of a variant's names", async () => {
    const shard = "diffusion_pytorch_model-00001-of-00001.fp16.safetensors";
    const weights = await open({ "diffusion_pytorch_model.safetensors.fp16.index.json": index({ a: shard }), [shard]: file("a") }, "fp16");
    expect(weights.names()).toEqual(["a"]);
  });

  it("takes today's name of old tensors in shards too", async () => {
    const shard = "model-00001-of-00001.safetensors";
    const weights = await open({ "model.safetensors.index.json": index({ "text_model.a": shard }), [shard]: file("text_model.a") });
    expect(weights.get("a").name).toBe("a");
  });

  it("names the shards that are missing", async () => {
    const map = { a: "model-00001-of-00002.safetensors", b: "model-00002-of-00002.safetensors" };
    const error = await checkpointError(
      open({ "model.safetensors.index.json": index(map), "model-00001-of-00002.safetensors": file("a") }),
    );
    expect(error.message).toMatch(/index\.json: 1 of its 2 files are missing: model-00002-of-00002\.safetensors/);
    expect(error.hint).toMatch(/incomplete/);
  });

  it("names a tensor that is not in its shard", async () => {
    const error = await checkpointError(
      open({ "model.safetensors.index.json": index({ a: "x.safetensors" }), "x.safetensors": file("b") }),
    );
    expect(error.message).toMatch(/tensor a is not in x\.safetensors/);
  });

  it.each(["../x.safetensors", "/x.safetensors", "sub/x.safetensors", "..\\x.safetensors", "x.bin", 1, null, ".safetensors\0"])(
    "refuses an index that says a tensor lies in %j",
    async (shard) => {
      const error = await checkpointError(open({ "model.safetensors.index.json": index({ a: shard }) }));
      expect(error.message).toMatch(/tensor a is said to be in .*; expected a \.safetensors file beside the index/);
    },
  );

  it.each([undefined, null, [], "model.safetensors"])("refuses %j as an index's weight_map", async (map) => {
    expect((await checkpointError(open({ "model.safetensors.index.json": index(map) }))).message).toMatch(/as weight_map/);
  });

  it("follows the links of the hub cache to the files", async () => {
    const path = temporaryFolder();
    writeSafetensors(join(path, "blobs/sha"), { a: Tensor.from([1, 2, 3]) });
    mkdirSync(join(path, "snapshots/rev/unet"), { recursive: true });
    symlinkSync("../../../blobs/sha", join(path, "snapshots/rev/unet/diffusion_pytorch_model.safetensors"));
    const weights = await openWeights(openFolder(join(path, "snapshots/rev")).open("unet"));
    expect(locationOf(weights.get("a").file)).toBe(join(realpathSync(path), "blobs/sha"));
  });

  it.each(["diffusion_pytorch_model.bin", "pytorch_model.bin", "model.ckpt", "a.pt", "a.pth"])(
    "refuses a folder with only the pickle %s, says why and what to do",
    async (name) => {
      const error = await checkpointError(open({ [name]: "", "config.json": {} }));
      expect(error.message).toContain(name);
      expect(error.message).toMatch(/only safetensors/);
      expect(error.hint).toMatch(/safe_serialization=True/);
    },
  );

  it.each(["flax_model.msgpack", "tf_model.h5"])("refuses a folder with only the weights of another framework, %s", async (name) => {
    const error = await checkpointError(open({ [name]: "" }));
    expect(error.message).toContain(`has weights only as ${name}, of another framework; Darkroom reads only safetensors`);
    expect(error.hint).toMatch(/safe_serialization=True/);
  });

  it("reads the safetensors beside a pickle", async () => {
    expect((await open({ "model.safetensors": file("a"), "pytorch_model.bin": "" })).names()).toEqual(["a"]);
  });

  it("names what it looked for in a folder without weights", async () => {
    const error = await checkpointError(open({ "config.json": {} }));
    expect(error.message).toMatch(/has no weights: diffusion_pytorch_model\.safetensors or model\.safetensors was expected/);
  });

  it("names the safetensors files with other names", async () => {
    expect((await checkpointError(open({ "unet.safetensors": file("a") }))).hint).toMatch(/it has unet\.safetensors/);
  });

  it("names a part's folder that does not exist", async () => {
    const error = await checkpointError(openWeights(openFolder("test/checkpoints/sd1-mini").open("transformer")));
    expect(error.message).toBe("test/checkpoints/sd1-mini/transformer does not exist");
  });

  it("refuses a file with the same tensor under its old and today's name", async () => {
    const error = await checkpointError(open({ "model.safetensors": file("text_model.a", "a") }));
    expect(error.message).toMatch(/tensors text_model\.a and a are both a/);
  });

  it("names a damaged file", async () => {
    const path = temporaryFolder({ "model.safetensors": file("a").subarray(0, 20) });
    expect((await checkpointError(openWeights(openFolder(path)))).message).toMatch(
      /model\.safetensors: it is cut short: its header has 53 bytes; the file has 12 of them/,
    );
  });

  it("looks for other base names if they are given", async () => {
    const path = temporaryFolder();
    writeSafetensors(join(path, "model.safetensors"), { a: Tensor.from([1]) });
    renameSync(join(path, "model.safetensors"), join(path, "pytorch_lora_weights.safetensors"));
    expect((await openWeights(openFolder(path), { baseNames: ["pytorch_lora_weights"] })).has("a")).toBe(true);
  });
});

describe("Weights", () => {
  it("names file, tensor and the nearest names when a tensor is missing", async () => {
    const weights = await openWeights(openFolder("test/checkpoints/sd1-mini/unet"));
    const ask = () => weights.get("down_blocks.0.attentions.0.transformer_blocks.0.attn3.to_q.weight");
    expect(ask).toThrow(
      "test/checkpoints/sd1-mini/unet/diffusion_pytorch_model.safetensors: tensor down_blocks.0.attentions.0.transformer_blocks.0.attn3.to_q.weight is missing",
    );
    expect(ask).toThrow(
      expect.objectContaining({ hint: expect.stringContaining("down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.weight") }),
    );
  });

  it("names file and tensor when the dtype is one we cannot compute with", async () => {
    const bytes = safetensorsBytes({ a: { dtype: "F8_E8M0", shape: [2], data_offsets: [0, 2] } }, new Uint8Array(2));
    const weights = await open({ "model.safetensors": bytes });
    expect(weights.has("a")).toBe(true);
    expect(() => weights.get("a")).toThrow(/model\.safetensors: tensor a is F8_E8M0/);
  });
});
