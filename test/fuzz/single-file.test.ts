import fc from "fast-check";
import { expect, it } from "vitest";
import { readConfig } from "../../src/checkpoint/config.js";
import type { Json } from "../../src/checkpoint/json.js";
import { openSingleFile } from "../../src/checkpoint/single-file/open-single-file.js";
import { AutoencoderKL } from "../../src/models/autoencoder-kl.js";
import { CLIPTextModel, CLIPTextModelWithProjection } from "../../src/models/clip-text.js";
import { ControlNetModel } from "../../src/models/controlnet.js";
import type { Folder } from "../../src/platform/folder.js";
import type { Engine } from "../../src/runtime/engine.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { safetensorsBytes } from "../helpers/safetensors.js";
import { originalTensors } from "../helpers/single-files.js";
import { editedBytes, editedJson, hostileText } from "./hostile.js";
import { inspectingEngine, watchSizes } from "./inspecting-engine.js";
import { type Files, MemoryFolder } from "./memory-folder.js";
import { checkpointFiles, openPipeline } from "./pipelines.js";
import { editedTensors, fileOf, SMALLEST, type Stored, stored } from "./stored-tensors.js";
import { attack, refusing, surface } from "./surface.js";

const FILE = "model.safetensors";
const YAML = "model.yaml";

/** What the opened file is asked for. */
type Work = () => Promise<unknown>;

const zeros = (...shape: number[]) => Tensor.zeros(shape);

/** What can be asked of one network, by its class. */
const NETWORKS: Readonly<Record<string, (folder: Folder, engine: Engine) => Promise<readonly Work[]>>> = {
  AutoencoderKL: async (folder, engine) => {
    const vae = await AutoencoderKL.fromPretrained(folder, { engine });
    return [() => vae.encode(zeros(1, 3, 32, 32)), () => vae.decode(zeros(1, 4, 8, 8))];
  },
  ControlNetModel: async (folder, engine) => {
    const net = await ControlNetModel.fromPretrained(folder, { engine });
    const { crossAttentionDim } = net.config;
    const width = typeof crossAttentionDim === "number" ? crossAttentionDim : 64;
    const inputs = { encoderHiddenStates: zeros(1, 3, width), controlnetCond: zeros(1, 3, 16, 16) };
    return [() => net.forward(zeros(1, 4, 8, 8), 1, inputs)];
  },
  CLIPTextModel: async (folder, engine) => {
    const model = await CLIPTextModel.fromPretrained(folder, { engine });
    return [() => model.forward(new Tensor("int64", [1, 2], BigInt64Array.of(1n, 2n)))];
  },
  CLIPTextModelWithProjection: async (folder, engine) => {
    const model = await CLIPTextModelWithProjection.fromPretrained(folder, { engine });
    return [() => model.forward(new Tensor("int64", [1, 2], BigInt64Array.of(1n, 2n)))];
  },
};

const TOKENIZER = new MemoryFolder(new Map([...checkpointFiles("tokenizer-mini")]), "tokenizer");

/** A folder of configs: a checkpoint's, or one network's. */
function configsOf(name: string): Files {
  return new Map([...checkpointFiles(name)].filter(([path]) => !path.endsWith(".safetensors")));
}

/** Opens the file as whatever it is, and gives what can be asked of that. */
async function open(bytes: Uint8Array, configs?: Files, yaml?: string): Promise<readonly Work[]> {
  const files: Files = new Map([[FILE, bytes]]);
  const beside = yaml === undefined ? undefined : Buffer.from(yaml);
  const file = new MemoryFolder(beside ? new Map([...files, [YAML, beside]]) : files);
  const config = configs && new MemoryFolder(configs, "configs");
  const folder = await openSingleFile(file, FILE, { tokenizer: TOKENIZER, config });
  // What recognises the file, its header, the config beside it, and a number or the statistics of latents; nothing of its networks.
  const headerSize = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  expect(file.reads.bytes).toBeLessThanOrEqual(256 + headerSize + 2 * 4 * 8 + (beside?.length ?? 0));
  const engine = inspectingEngine(files);
  if (!(await folder.has("model_index.json"))) {
    const { _className } = await readConfig(folder, "config.json");
    return (await NETWORKS[String(_className)]?.(folder, engine)) ?? [];
  }
  const { _class_name: className } = JSON.parse(String(Buffer.from(await folder.read("model_index.json"))));
  const isXL = String(className).startsWith("StableDiffusionXL");
  const pipe = await openPipeline(isXL ? "StableDiffusionXLPipeline" : "StableDiffusionPipeline", folder, files);
  return [() => pipe.generate({ prompt: "a fox", width: 64, height: 64, numInferenceSteps: 1, seed: 0 })];
}

async function strike(bytes: Uint8Array, configs?: Files): Promise<void> {
  const unwatch = watchSizes();
  try {
    for (const work of (await refusing(() => open(bytes, configs))) ?? []) await refusing(work);
  } finally {
    unwatch();
  }
}

/** Those that need no configs... */
const ALONE = Object.entries(SMALLEST).map(([name, tensors]) => ({ name, tensors }));
/** ...and those that do. */
const CONFIGURED = ["sd1-mini", "sd2-mini", "sdxl-base-mini", "sdxl-refiner-mini", "vae-swap-mini", "controlnet-mini"].map((name) => ({
  name,
  tensors: stored(originalTensors(name)),
  configs: configsOf(name),
}));

// A refiner makes no pictures of words alone, nor does what repaints pictures, but both are opened as if they did.
const isBase = ({ name }: { readonly name: string }) => !/refiner|inpaint/.test(name);

it.each(ALONE.filter(isBase))("$name is of use as it is", async ({ tensors }) => {
  const works = await open(fileOf(tensors));
  expect(works).not.toEqual([]);
  for (const work of works) await work();
});

it.each(CONFIGURED.filter(isBase))("$name is of use with its configs", async ({ tensors, configs }) => {
  const works = await open(fileOf(tensors), configs);
  expect(works).not.toEqual([]);
  for (const work of works) await work();
});

const metadata = fc.option(
  fc.dictionary(
    fc.constantFrom("modelspec.architecture", "modelspec.prediction_type"),
    fc.oneof(fc.constantFrom("stable-diffusion-xl-v1-base", "stable-diffusion-v2-768-v", "v", "epsilon"), hostileText),
  ),
  { nil: undefined },
);

/** Tensors that say something by being there, and numbers among weights. */
const marks: fc.Arbitrary<Stored[]> = fc.subarray([
  { name: "v_pred", dtype: "F32", shape: [] },
  { name: "ztsnr", dtype: "F32", shape: [0] },
  { name: "edm_mean", dtype: "F32", shape: [1, 4, 1, 1] },
  { name: "edm_std", dtype: "F32", shape: [1] },
  { name: "edm_vpred.sigma_max", dtype: "F16", shape: [] },
  { name: "global_step", dtype: "I64", shape: [] },
  { name: "global_step", dtype: "BOOL", shape: [2, 3] },
]);

/** Names of layers, right and wrong ones in any order. */
const strangeName = fc
  .tuple(
    fc.constantFrom("model.diffusion_model.", "diffusion_model.", "control_model.", "first_stage_model.", "vae.", "", "cond_stage_model."),
    fc.constantFrom("", "model.", "transformer.", "transformer.text_model.", "conditioner.embedders.0.model.", "conditioner.embedders.1."),
    fc.constantFrom(
      ...["input_blocks.#.0", "input_blocks.#.1.transformer_blocks.#", "output_blocks.#.0", "output_blocks.#.1", "output_blocks.#.2.conv"],
      ...["middle_block.#", "input_hint_block.#", "zero_convs.#.0", "label_emb.0.#", "time_embed.#", "out.#", "quant_conv"],
      ...["encoder.down.#.block.#", "decoder.up.#.block.#", "encoder.mid.attn_1", "encoder", "decoder", "encoder.down.#.downsample.conv"],
      ...["transformer.resblocks.#", "encoder.layers.#", "embeddings", "down_blocks.#.resnets.#", "up_blocks.#.attentions.#"],
      ...["down_blocks.#.attentions.#.transformer_blocks.#", "controlnet_cond_embedding", "controlnet_cond_embedding.blocks.#"],
    ),
    fc.constantFrom(
      ...[".in_layers.2.weight", ".0.weight", ".op.weight", ".weight", ".attn2.to_k.weight", ".conv_in.weight", ".attn.in_proj_weight"],
      ...[".positional_embedding", ".conv1.weight", ".conv.weight", ".token_embedding.weight", ".proj_in.weight", ".fc1.weight"],
    ),
    fc.array(fc.constantFrom("0", "0", "1", "2", "3", "12", "99", "100", "4000", "99999999", "4294967294", "9".repeat(25)), {
      minLength: 3,
      maxLength: 3,
    }),
  )
  .map(([prefix, part, layer, end, numbers]) => {
    let next = 0;
    return (prefix + part + layer + end).replace(/#/g, () => numbers[next++] ?? "0");
  });

/** A file taken apart. */
function parts(bytes: Uint8Array): { readonly header: Uint8Array; readonly data: Uint8Array } {
  const start = 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true));
  return { header: bytes.subarray(8, start), data: bytes.subarray(start) };
}

/** What makes a file count as one of the networks. */
const BEGINNINGS = [
  ...["model.diffusion_model.input_blocks.0.0.weight", "model.diffusion_model.output_blocks.0.0.in_layers.2.weight"],
  ...["model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight", "input_hint_block.0.weight"],
  ...["first_stage_model.encoder.conv_in.weight", "decoder.conv_in.weight", "conditioner.embedders.1.model.positional_embedding"],
  ...["cond_stage_model.transformer.text_model.embeddings.token_embedding.weight", "controlnet_cond_embedding.conv_in.weight"],
];

const strange = fc
  .tuple(
    fc.subarray(BEGINNINGS, { minLength: 1 }),
    fc.array(strangeName, { maxLength: 12 }),
    fc.array(fc.constantFrom([32, 4, 3, 3], [64, 32], [32], [96, 32], [32, 32, 3, 3], []), { minLength: 1 }),
  )
  .map(([beginnings, names, shapes]) =>
    [...beginnings, ...names].map((name, i): Stored => ({ name, dtype: "F16", shape: shapes[i % shapes.length] ?? [] })),
  );

/** Names of as many parts as a header has room for, in a file that has a network. */
const longNames = fc.constantFrom("a.", ".", "input_blocks.1.", "0.").map((part) =>
  fileOf([
    ...stored(originalTensors("vae-swap-mini")),
    ...["first_stage_model.", "encoder.", ""].map((start) => ({
      name: start + part.repeat(3_000_000 / part.length),
      dtype: "F32",
      shape: [1],
    })),
  ]),
);

/** More tensors than any model has. */
const crowded = fc
  .constantFrom("first_stage_model.encoder.down.#.block.0.conv1.weight", "input_blocks.#.0.op.weight", "#")
  .map((name) =>
    fileOf([
      ...stored(originalTensors("controlnet-mini")),
      ...Array.from({ length: 60_000 }, (_, i) => ({ name: name.replace("#", String(i)), dtype: "BOOL", shape: [1] })),
    ]),
  );

const configured = fc.constantFrom(...CONFIGURED);

/** What people keep beside a file as model.yaml; all JSON is YAML. */
const ORIGINAL_CONFIG = {
  model: {
    target: "ldm.models.diffusion.ddpm.LatentDiffusion",
    params: {
      parameterization: "v",
      linear_start: 0.00085,
      linear_end: 0.012,
      timesteps: 1000,
      image_size: 64,
      scale_factor: 0.18,
      use_ema: true,
    },
  },
};
const ORIGINAL_YAML = `model: &m
  target: ldm.models.diffusion.ddpm.LatentDiffusion
  params:
    parameterization: "v" # velocity
    linear_start: 0.00085
    image_size: 64
    use_ema: True
copy: *m
`;

surface("a single file", [
  attack(
    "whose tensors are renamed, reshaped or gone",
    fc
      .constantFrom(...ALONE)
      .chain(({ tensors }) =>
        fc.tuple(editedTensors(tensors), marks, metadata).map(([own, more, texts]) => fileOf([...own, ...more], texts)),
      ),
    (bytes) => strike(bytes),
    { runs: 40 },
  ),
  attack(
    "whose tensors are renamed, reshaped or gone, with configs",
    configured.chain(({ tensors, configs }) => editedTensors(tensors).map((own) => ({ bytes: fileOf(own), configs }))),
    ({ bytes, configs }) => strike(bytes, configs),
    { runs: 60 },
  ),
  attack(
    "with configs that are wrong",
    configured.chain(({ tensors, configs }) =>
      fc
        .constantFrom(...[...configs.keys()].filter((path) => /(config|index)\.json$/.test(path)))
        .chain((path) =>
          editedJson(JSON.parse(String(configs.get(path))) as Json).map((json): Files => new Map([...configs, [path, Buffer.from(json)]])),
        )
        .map((own) => ({ bytes: fileOf(tensors), configs: own })),
    ),
    ({ bytes, configs }) => strike(bytes, configs),
    { runs: 60 },
  ),
  attack(
    "with configs of another checkpoint",
    fc.tuple(configured, configured),
    ([{ tensors }, { configs }]) => strike(fileOf(tensors), configs),
    { runs: 10 },
  ),
  attack(
    "of layers in any order and number",
    fc.tuple(strange, marks, metadata).map(([own, more, texts]) => fileOf([...own, ...more], texts)),
    (bytes) => strike(bytes),
    { runs: 200 },
  ),
  attack(
    "whose header has damaged bytes",
    configured.chain(({ tensors }) => {
      const { header, data } = parts(fileOf(tensors));
      return editedBytes(header).map((own) => safetensorsBytes(Buffer.from(own).toString("latin1"), data));
    }),
    (bytes) => strike(bytes),
    { runs: 30 },
  ),
  attack(
    "with a config beside it that is wrong",
    fc.tuple(
      fc.constantFrom(...ALONE),
      fc.oneof(editedJson(ORIGINAL_CONFIG), editedBytes(Buffer.from(ORIGINAL_YAML)).map(String), hostileText),
    ),
    ([{ tensors }, yaml]) => refusing(() => open(fileOf(tensors), undefined, yaml)),
    { runs: 60 },
  ),
  attack("whose names are very long", longNames, (bytes) => strike(bytes), { runs: 4, isBrief: true }),
  attack("of very many tensors", crowded, (bytes) => strike(bytes), { runs: 3, isBrief: true }),
]);
