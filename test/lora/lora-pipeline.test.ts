import { cpSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { ArgumentError } from "../../src/errors.js";
import { StableDiffusionImg2ImgPipeline } from "../../src/pipelines/stable-diffusion-img2img.js";
import { Generator, randn } from "../../src/tensor/random.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { expectClose, largestDifference } from "../helpers/differences.js";
import { checkpointError } from "../helpers/errors.js";
import { checkpoint } from "../helpers/fixtures.js";
import { readTensors, writeSafetensors } from "../helpers/safetensors.js";
import { temporaryFolder } from "../helpers/temporary.js";
import { collectWarnings } from "../helpers/warnings.js";
import { loraFile, openMini, prediction, textFeatures } from "./loras.js";

/** Far more than rounding, far less than what the LoRAs of the tests change. */
const CHANGED = 0.05;

/** A LoRA's file with these tensors. */
function written(tensors: Readonly<Record<string, Tensor>>): string {
  const file = join(temporaryFolder(), "fox.safetensors");
  writeSafetensors(file, tensors);
  return file;
}

/** A product of rank 2 for a layer of kohya-ss's name. */
function product(layer: string, ins: number, out: number): Record<string, Tensor> {
  return { [`${layer}.lora_down.weight`]: Tensor.zeros([2, ins]), [`${layer}.lora_up.weight`]: Tensor.zeros([out, 2]) };
}

function expectChanged(found: Tensor, from: Tensor): void {
  expect(largestDifference(found, from)).toBeGreaterThan(CHANGED);
}

describe("a loaded LoRA", () => {
  it("is called default_0, the next default_1", async () => {
    const pipe = await openMini();
    await pipe.loadLoraWeights(loraFile("sd1_locon"));
    await pipe.loadLoraWeights(loraFile("sd1_peft"));
    expect(pipe.getListAdapters()).toEqual({ unet: ["default_0", "default_1"], textEncoder: ["default_1"] });
  });

  it("gets a default name that is free", async () => {
    const pipe = await openMini();
    for (const _ of [0, 1]) await pipe.loadLoraWeights(loraFile("sd1_locon"));
    pipe.deleteAdapters("default_0");
    await pipe.loadLoraWeights(loraFile("sd1_locon"));
    expect(pipe.getListAdapters()).toEqual({ unet: ["default_1", "default_2"] });
  });

  it("cannot take the name of another", async () => {
    const pipe = await openMini();
    await pipe.loadLoraWeights(loraFile("sd1_locon"), { adapterName: "fox" });
    await expect(pipe.loadLoraWeights(loraFile("sd1_peft"), { adapterName: "fox" })).rejects.toThrow(
      "there is an adapter fox already; the names taken are fox",
    );
    expect(pipe.getListAdapters()).toEqual({ unet: ["fox"] });
  });

  it("is active alone in the networks it changes", async () => {
    const pipe = await openMini();
    await pipe.loadLoraWeights(loraFile("sd1_peft"), { adapterName: "both" });
    await pipe.loadLoraWeights(loraFile("sd1_locon"), { adapterName: "unet" });
    expect([pipe.unet.adapters.activeNames, pipe.textEncoder.adapters.activeNames]).toEqual([["unet"], ["both"]]);
  });

  it("changes other pipelines over the same networks", async () => {
    const pipe = await openMini();
    const other = new StableDiffusionImg2ImgPipeline({ ...pipe });
    await pipe.loadLoraWeights(loraFile("sd1_peft"), { adapterName: "fox" });
    expect(other.getActiveAdapters()).toEqual(["fox"]);
  });
});

describe("weights", () => {
  it("change without loading the networks again", async () => {
    const pipe = await openMini();
    await pipe.loadLoraWeights(loraFile("sd1_peft"), { adapterName: "fox" });
    const load = vi.spyOn((pipe.unet as unknown as { engine: { load(): unknown } }).engine, "load");
    const full = await prediction(pipe);
    pipe.setAdapters("fox", 0.3);
    const weak = await prediction(pipe);
    pipe.setAdapters("fox", { unet: { mid: 0.5 } });
    await prediction(pipe);
    expect(load).toHaveBeenCalledTimes(1);
    expectChanged(weak, full);
  });

  it("of 0 give the checkpoint's own results", async () => {
    const pipe = await openMini();
    const plain = await prediction(pipe);
    await pipe.loadLoraWeights(loraFile("sd1_peft"), { adapterName: "fox" });
    pipe.setAdapters("fox", 0);
    expectClose(await prediction(pipe), plain, 0);
  });

  it("of a network that is not named are 1", async () => {
    const pipe = await openMini();
    await pipe.loadLoraWeights(loraFile("sd1_peft"), { adapterName: "fox" });
    const [full, text] = [await prediction(pipe), await textFeatures(pipe)];
    pipe.setAdapters("fox", { textEncoder: 0.2 });
    expectClose(await prediction(pipe), full, 0);
    expectChanged(await textFeatures(pipe), text);
  });

  it("for networks that do not exist give a warning", async () => {
    const warnings = collectWarnings();
    const pipe = await openMini();
    await pipe.loadLoraWeights(loraFile("sd1_peft"), { adapterName: "fox" });
    pipe.setAdapters("fox", { unet: 1, textEncoder2: 0.5 });
    expect(warnings).toEqual(["weights were given for textEncoder2; this pipeline's networks are unet, textEncoder"]);
  });

  it.each([
    [Number.NaN, "weights is NaN; expected a number, or an object with one for each network: { unet: 0.8, textEncoder: 1 }"],
    ["1", 'weights is "1" (a string); expected a number'],
    [{ unet: { donw: 1 } }, "setAdapters has no option unet.donw; did you mean unet.down?"],
    [{ textEncoder: "1" }, 'weights.textEncoder is "1" (a string); expected a finite number'],
    [[1, 2], "2 weights were given for 1 adapters; expected one, or one for each"],
    [{ unet: { up: { block_0: 1 } } }, "unet.up has a weight for block_0; its blocks with transformers are block_1"],
    [{ unet: { up: { block_1: [1, 2, 3] } } }, "unet.up.block_1 has 3 weights; expected 2, one for each transformer of the block"],
  ])("such as %j are refused", async (weight, message) => {
    const pipe = await openMini();
    await pipe.loadLoraWeights(loraFile("sd1_locon"), { adapterName: "fox" });
    const set = () => pipe.setAdapters("fox", weight as number);
    expect(set).toThrow(ArgumentError);
    expect(set).toThrow(message);
  });

  it("are not changed at all by a call that is refused", async () => {
    const pipe = await openMini();
    await pipe.loadLoraWeights(loraFile("sd1_peft"), { adapterName: "fox" });
    const full = await prediction(pipe);
    expect(() => pipe.setAdapters("fox", { unet: 0, textEncoder: Number.NaN })).toThrow(ArgumentError);
    expectClose(await prediction(pipe), full, 0);
  });
});

describe("adapters", () => {
  it("that do not exist are refused, with the names that exist", async () => {
    const pipe = await openMini();
    expect(() => pipe.setAdapters("cat")).toThrow("there is no adapter cat; none is loaded");
    await pipe.loadLoraWeights(loraFile("sd1_locon"), { adapterName: "fox" });
    expect(() => pipe.deleteAdapters(["fox", "cat"])).toThrow("there is no adapter cat; there are fox");
  });

  it("that are deleted leave the first of the others active if no other is", async () => {
    const pipe = await openMini();
    for (const adapterName of ["a", "b", "c"]) await pipe.loadLoraWeights(loraFile("sd1_locon"), { adapterName });
    expect(pipe.getActiveAdapters()).toEqual(["c"]);
    pipe.deleteAdapters("c");
    expect(pipe.getActiveAdapters()).toEqual(["a"]);
    pipe.setAdapters(["a", "b"]);
    pipe.deleteAdapters("a");
    expect(pipe.getActiveAdapters()).toEqual(["b"]);
  });

  it("that are unloaded leave the checkpoint as it was", async () => {
    const pipe = await openMini();
    const plain = await prediction(pipe);
    await pipe.loadLoraWeights(loraFile("sd1_peft"));
    expectChanged(await prediction(pipe), plain);
    pipe.unloadLoraWeights();
    expectClose(await prediction(pipe), plain, 0);
    expect(pipe.getListAdapters()).toEqual({});
  });

  it("that are unloaded are active in no network, not even in one that they never changed", async () => {
    const pipe = await openMini();
    await pipe.loadLoraWeights(loraFile("sd1_locon"), { adapterName: "fox" });
    pipe.setAdapters("fox", 0.5);
    pipe.unloadLoraWeights();
    expect(pipe.getActiveAdapters()).toEqual([]);
  });

  it("with the same name, one after the other, are different", async () => {
    const pipe = await openMini();
    await pipe.loadLoraWeights(loraFile("sd1_locon"), { adapterName: "fox" });
    const first = await prediction(pipe);
    pipe.unloadLoraWeights();
    await pipe.loadLoraWeights(loraFile("sd1_kohya"), { adapterName: "fox" });
    expectChanged(await prediction(pipe), first);
  });

  it("are the same with attention in slices", async () => {
    const pipe = await openMini();
    await pipe.loadLoraWeights(loraFile("sd1_peft"));
    const whole = await prediction(pipe);
    pipe.enableAttentionSlicing("max");
    expectClose(await prediction(pipe), whole, 1e-5);
    pipe.fuseLora();
    expectClose(await prediction(pipe), whole, 1e-4);
  });

  it("are back with enableLora after disableLora", async () => {
    const pipe = await openMini();
    const plain = await prediction(pipe);
    await pipe.loadLoraWeights(loraFile("sd1_peft"));
    const changed = await prediction(pipe);
    pipe.disableLora();
    expectClose(await prediction(pipe), plain, 0);
    pipe.enableLora();
    expectClose(await prediction(pipe), changed, 0);
  });
});

describe("fused LoRAs", () => {
  it.each(["sd1_peft", "sd1_locon"])("give the same results as beside the layers: %s", async (file) => {
    const pipe = await openMini();
    await pipe.loadLoraWeights(loraFile(file), { adapterName: "fox" });
    pipe.setAdapters("fox", 0.35);
    const beside = await prediction(pipe);
    pipe.setAdapters("fox", 0.7);
    pipe.fuseLora({ loraScale: 0.5 });
    expectClose(await prediction(pipe), beside, 1e-4);
    expect(pipe.fusedLoras).toEqual(["fox"]);
  });

  it("keep their weight after setAdapters, and lose it with unfuseLora", async () => {
    const pipe = await openMini();
    await pipe.loadLoraWeights(loraFile("sd1_peft"), { adapterName: "fox" });
    const full = await prediction(pipe);
    pipe.fuseLora();
    pipe.setAdapters("fox", 0);
    expectClose(await prediction(pipe), full, 1e-4);
    pipe.setAdapters("fox", 1);
    pipe.unfuseLora();
    expectClose(await prediction(pipe), full, 0);
  });

  it("stay when the adapter is unloaded, and are removed by unfuseLora", async () => {
    const pipe = await openMini();
    const plain = await prediction(pipe);
    await pipe.loadLoraWeights(loraFile("sd1_peft"));
    const full = await prediction(pipe);
    pipe.fuseLora();
    pipe.unloadLoraWeights();
    expectClose(await prediction(pipe), full, 1e-4);
    pipe.unfuseLora();
    expectClose(await prediction(pipe), plain, 0);
  });

  it("silence the others in their layers, with a warning, until they are unloaded", async () => {
    const pipe = await openMini();
    await pipe.loadLoraWeights(loraFile("sd1_peft"), { adapterName: "fox" });
    await pipe.loadLoraWeights(loraFile("sd1_kohya"), { adapterName: "paint" });
    pipe.setAdapters(["fox", "paint"]);
    const both = await prediction(pipe);
    const warnings = collectWarnings();
    pipe.fuseLora({ adapterNames: ["fox"] });
    expect(warnings).toEqual([
      "paint: active, but without effect in the layers that fox is fused into; fuse it as well, or unload fox first",
    ]);
    const fused = await prediction(pipe);
    pipe.setAdapters(["fox"]);
    expectClose(await prediction(pipe), fused, 1e-4);
    pipe.deleteAdapters("fox");
    pipe.setAdapters(["paint"]);
    expectClose(await prediction(pipe), both, 1e-4);
  });

  it("may be fused into one network alone", async () => {
    const pipe = await openMini();
    await pipe.loadLoraWeights(loraFile("sd1_peft"), { adapterName: "fox" });
    const text = await textFeatures(pipe);
    pipe.fuseLora({ components: ["textEncoder"] });
    expect([pipe.unet.adapters.fusedNames, pipe.textEncoder.adapters.fusedNames]).toEqual([[], ["fox"]]);
    expectClose(await textFeatures(pipe), text, 1e-4);
    expect(() => pipe.fuseLora({ components: ["textEncoder2"] })).toThrow(
      "components has textEncoder2; this pipeline's are unet, textEncoder",
    );
  });

  it("are fused into float16 checkpoints too", async () => {
    const { StableDiffusionXLPipeline } = await import("../../src/pipelines/stable-diffusion-xl.js");
    await using pipe = await StableDiffusionXLPipeline.fromPretrained(checkpoint("sdxl-base-mini"), { device: "cpu", variant: "fp16" });
    const request = { prompt: "a red fox", numInferenceSteps: 2, height: 32, width: 32, seed: 0, outputType: "latent" } as const;
    await pipe.loadLoraWeights(loraFile("xl_sgm"));
    const beside = (await pipe.generate(request)).images;
    pipe.fuseLora();
    expectClose((await pipe.generate(request)).images, beside, 1e-3);
  });
});

describe("a LoRA for other networks", () => {
  it("is refused, and the error names the family that it looks like", async () => {
    const pipe = await openMini(checkpoint("sd1-mini"));
    const error = await checkpointError(pipe.loadLoraWeights(loraFile("xl_peft")));
    expect(error.message).toMatch(
      /xl_peft.safetensors: tensor unet\..+ is \[2, 64\]; expected \[2, 32\] for .+attn2.to_k, whose weight is \[\d+, 32\]$/,
    );
    expect(pipe.getListAdapters()).toEqual({});
  });

  it.each([
    ["FLUX.1 or FLUX.2", "lora_unet_double_blocks_0_img_attn_proj"],
    ["Stable Diffusion XL", "lora_unet_input_blocks_99_1_transformer_blocks_0_attn2_to_k"],
  ])("none of whose layers is there is refused: one for %s", async (family, layer) => {
    const pipe = await openMini();
    const error = await checkpointError(pipe.loadLoraWeights(written(product(layer, 2048, 64))));
    expect(error.message).toMatch(
      new RegExp(`fox.safetensors: none of its 1 layers is in this pipeline's networks; its first tensor is ${layer}.lora_down.weight$`),
    );
    expect(error.hint).toBe(`it looks like a LoRA for ${family}; use it with a checkpoint of that family`);
  });

  it("is refused, and the error names the family with its width of text features", async () => {
    const pipe = await openMini();
    const layer = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k";
    const error = await checkpointError(pipe.loadLoraWeights(written(product(layer, 768, 32))));
    expect(error.message).toContain(`tensor ${layer}.lora_down.weight is [2, 768]; expected [2, 32] for mid_block.attentions.0.`);
    expect(error.hint).toBe("the LoRA was made for another network: it looks like one for Stable Diffusion 1");
  });

  it("is applied without the layers of other shapes, and a warning names them", async () => {
    const warnings = collectWarnings();
    const pipe = await openMini();
    const wrong = "lora_unet_conv_in";
    const { unmatched } = await pipe.loadLoraWeights(
      written({
        ...product("lora_unet_mid_block_attentions_0_proj_in", 32, 32),
        [`${wrong}.lora_down.weight`]: Tensor.zeros([2, 9, 3, 3]),
        [`${wrong}.lora_up.weight`]: Tensor.zeros([16, 2, 1, 1]),
      }),
    );
    expect(unmatched).toEqual([`${wrong}.lora_down.weight`, `${wrong}.lora_up.weight`]);
    expect(warnings).toEqual([
      expect.stringMatching(
        /fox.safetensors: tensors that have other shapes than their layers need are left out \(2\): lora_unet_conv_in.lora_down.weight, lora_unet_conv_in.lora_up.weight; tensor lora_unet_conv_in.lora_down.weight is \[2, 9, 3, 3\]; expected \[2, 4, 3, 3\] for conv_in, whose weight is \[16, 4, 3, 3\]$/,
      ),
    ]);
  });

  it("with layers that are named twice uses the first", async () => {
    const warnings = collectWarnings();
    const pipe = await openMini();
    const names = ["lora_unet_mid_block_attentions_0_proj_in", "lora_unet_middle_block_1_proj_in"];
    await pipe.loadLoraWeights(written(Object.assign({}, ...names.map((name) => product(name, 32, 32)))));
    expect(warnings).toEqual([
      expect.stringMatching(
        `fox.safetensors: tensors that have the same role as others are left out \\(2\\): ${names[1]}.lora_down.weight, ${names[1]}.lora_up.weight$`,
      ),
    ]);
  });

  it("with two methods on one layer uses the first, and the warning says so", async () => {
    const warnings = collectWarnings();
    const pipe = await openMini();
    const layer = "lora_unet_mid_block_attentions_0_proj_in";
    const hada = { w1_a: [32, 2], w1_b: [2, 32], w2_a: [32, 2], w2_b: [2, 32] };
    const second = Object.entries(hada).map(([role, shape]) => [`${layer}.hada_${role}`, Tensor.zeros(shape)]);
    const { unmatched } = await pipe.loadLoraWeights(written({ ...product(layer, 32, 32), ...Object.fromEntries(second) }));
    expect(unmatched).toEqual(second.map(([name]) => name));
    expect(warnings).toEqual([
      expect.stringContaining("fox.safetensors: tensors that belong to a second method (LoHa) on layers with LoRA are left out (4): "),
    ]);
  });

  it("names the tensors of a layer that its method does not use", async () => {
    const warnings = collectWarnings();
    const pipe = await openMini();
    const layer = "lora_unet_mid_block_attentions_0_norm";
    await pipe.loadLoraWeights(written({ [`${layer}.w_norm`]: Tensor.zeros([32]), [`${layer}.dora_scale`]: Tensor.zeros([32]) }));
    expect(warnings).toEqual([
      expect.stringMatching(
        `fox.safetensors: tensors that are not used by their layer's method are left out \\(1\\): ${layer}.dora_scale$`,
      ),
    ]);
  });

  it("that fits in part gives a warning with the names of the rest", async () => {
    const warnings = collectWarnings();
    const pipe = await openMini();
    const unknown = "lora_te2_text_projection";
    const tensors = {
      ...product("lora_unet_mid_block_attentions_0_proj_in", 32, 32),
      ...product(unknown, 32, 24),
      emb_params: Tensor.zeros([1]),
    };
    await pipe.loadLoraWeights(written(tensors));
    expect(warnings).toEqual([
      expect.stringMatching(
        `fox.safetensors: tensors that fit no layer of this pipeline are left out \\(3\\): emb_params, ${unknown}.lora_down.weight, ${unknown}.lora_up.weight$`,
      ),
    ]);
  });
});

describe("embeddings inside a LoRA", () => {
  const layer = product("lora_unet_mid_block_attentions_0_proj_in", 32, 32);
  const vectors = randn([2, 32], new Generator(3));
  const tensors = { ...layer, "bundle_emb.my.word.string_to_param.*": vectors };
  const features = async ({ textEncoder, tokenizer }: Awaited<ReturnType<typeof openMini>>, prompt: string) =>
    (await textEncoder.forward(tokenizer.tokenize([prompt]).inputIds)).lastHiddenState;

  it("are used for their word in prompts until the LoRA is deleted", async () => {
    const pipe = await openMini();
    const plain = await features(pipe, "a my.word fox");
    const { tokens } = await pipe.loadLoraWeights(written(tensors), { adapterName: "fox" });
    expect(tokens).toEqual(["my.word"]);
    const bundled = await features(pipe, "a my.word fox");
    pipe.deleteAdapters("fox");
    expectClose(await features(pipe, "a my.word fox"), plain, 0);
    const alone = join(temporaryFolder(), "alone.safetensors");
    writeSafetensors(alone, { emb_params: vectors });
    await pipe.loadTextualInversion(alone, { token: "my.word" });
    expectClose(bundled, await features(pipe, "a my.word fox"), 0);
    expectChanged(bundled, plain);
  });

  it("may be all that the file holds", async () => {
    const pipe = await openMini();
    const { tokens, unmatched } = await pipe.loadLoraWeights(written({ "bundle_emb.fox.emb_params": vectors }), { adapterName: "words" });
    expect([tokens, unmatched, pipe.getListAdapters()]).toEqual([["fox"], [], { textEncoder: ["words"] }]);
    pipe.unloadLoraWeights();
    expect([pipe.tokenizer.addedTokens, pipe.getListAdapters()]).toEqual([[], {}]);
  });

  it("are left out if the word is taken, or if the text encoder takes other vectors", async () => {
    const warnings = collectWarnings();
    const pipe = await openMini();
    await pipe.loadLoraWeights(written(tensors));
    await pipe.loadLoraWeights(written({ ...tensors, "bundle_emb.wide.emb_params": Tensor.zeros([1, 768]) }));
    expect(pipe.tokenizer.addedTokens).toEqual(["my.word"]);
    expect(warnings).toEqual([
      expect.stringMatching(
        /fox.safetensors: tensors that hold embeddings that cannot be added are left out \(1\): "bundle_emb.my.word.string_to_param.\*"; token my.word is already in/,
      ),
      expect.stringMatching(
        /tensors that hold embeddings that cannot be added are left out \(1\): bundle_emb.wide.emb_params; its vectors have 768/,
      ),
    ]);
  });

  it("are refused if the file holds nothing else and they do not fit", async () => {
    const pipe = await openMini();
    const error = await checkpointError(pipe.loadLoraWeights(written({ "bundle_emb.fox.emb_params": Tensor.zeros([1, 768]) })));
    expect(error.message).toMatch(/its vectors have 768 numbers \(Stable Diffusion 1\)/);
    expect(pipe.getListAdapters()).toEqual({});
  });
});

describe("a LoCon in Tucker form", () => {
  const layer = "mid_block.resnets.0.conv1";
  const [down, mid, up] = [
    [3, 32, 1, 1],
    [2, 3, 3, 3],
    [32, 2, 1, 1],
  ].map((shape, i) => randn(shape, new Generator(i)).mul(0.3)) as [Tensor, Tensor, Tensor];
  const base = `lora_unet_${layer.replaceAll(".", "_")}`;
  const tensors = { [`${base}.lora_down.weight`]: down, [`${base}.lora_mid.weight`]: mid, [`${base}.lora_up.weight`]: up };

  /** A UNet whose weight holds the product, summed index by index. */
  function withProduct(name: string): string {
    const product = ([o, i, y, x]: readonly number[]) => {
      let sum = 0;
      for (let n = 0; n < 2; n++)
        for (let m = 0; m < 3; m++)
          sum +=
            Number(up.data[(o as number) * 2 + n]) *
            Number(mid.data[((n * 3 + m) * 3 + (y as number)) * 3 + (x as number)]) *
            Number(down.data[m * 32 + (i as number)]);
      return sum;
    };
    const folder = temporaryFolder();
    cpSync(checkpoint(name), folder, { recursive: true });
    const file = join(folder, "unet/diffusion_pytorch_model.safetensors");
    const weights = readTensors(file);
    const own = weights[`${layer}.weight`] as Tensor;
    const data = Float32Array.from(
      { length: own.size },
      (_, i) => Number(own.data[i]) + product([Math.floor(i / 288), Math.floor(i / 9) % 32, Math.floor(i / 3) % 3, i % 3]),
    );
    writeSafetensors(file, { ...weights, [`${layer}.weight`]: Tensor.from(data, own.shape) });
    return folder;
  }

  it("changes the convolution by up · mid · down, beside it and fused", async () => {
    const expected = await prediction(await openMini(withProduct("sd1-mini")));
    const pipe = await openMini();
    expectChanged(await prediction(pipe), expected);
    await pipe.loadLoraWeights(written(tensors));
    expectClose(await prediction(pipe), expected, 1e-4);
    pipe.fuseLora();
    expectClose(await prediction(pipe), expected, 1e-4);
  });
});
