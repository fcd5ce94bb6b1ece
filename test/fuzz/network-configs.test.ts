import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, it } from "vitest";
import { CLIPImageProcessor } from "../../src/image/clip-image-processor.js";
import { Picture } from "../../src/image/picture.js";
import { AutoencoderKL } from "../../src/models/autoencoder-kl.js";
import { AutoencoderKLQwenImage } from "../../src/models/autoencoder-kl-qwen-image.js";
import { AutoencoderTiny } from "../../src/models/autoencoder-tiny.js";
import { ChromaTransformer2DModel } from "../../src/models/chroma-transformer-2d.js";
import { CLIPTextModel, CLIPTextModelWithProjection } from "../../src/models/clip-text.js";
import { CLIPVisionModel } from "../../src/models/clip-vision.js";
import { ControlNetModel } from "../../src/models/controlnet.js";
import { FluxTransformer2DModel } from "../../src/models/flux-transformer-2d.js";
import { QwenImageTransformer2DModel } from "../../src/models/qwen-image-transformer.js";
import { Qwen2_5_VLForConditionalGeneration } from "../../src/models/qwen2-5-vl.js";
import { Qwen3Model } from "../../src/models/qwen3.js";
import { StableDiffusionSafetyChecker } from "../../src/models/safety-checker.js";
import { SD3Transformer2DModel } from "../../src/models/sd3-transformer-2d.js";
import { T5EncoderModel } from "../../src/models/t5-encoder.js";
import { type UNet2DInputs, UNet2DModel } from "../../src/models/unet-2d.js";
import { type UNet2DConditionInputs, UNet2DConditionModel } from "../../src/models/unet-2d-condition.js";
import type { Folder } from "../../src/platform/folder.js";
import type { Engine } from "../../src/runtime/engine.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { checkpoint } from "../helpers/fixtures.js";
import { filesOf } from "../helpers/hub-server.js";
import { editedBytes, editedJson } from "./hostile.js";
import { inspectingEngine, watchSizes } from "./inspecting-engine.js";
import { MemoryFolder } from "./memory-folder.js";
import { type Attack, attack, refusing, surface } from "./surface.js";

type Work = () => Promise<unknown>;
type Use = (folder: Folder, engine: Engine) => Promise<readonly Work[]>;

const zeros = (...shape: number[]) => Tensor.zeros(shape);
const pixels = (side: number) => zeros(1, 3, side, side);

/** Opens a UNet over text, and gives what can be asked of it. */
const conditioned =
  (inputs: UNet2DConditionInputs): Use =>
  async (folder, engine) => {
    const unet = await UNet2DConditionModel.fromPretrained(folder, { engine });
    const predict = () => unet.forward(zeros(1, 4, 8, 8), 1, inputs);
    const inSlices = () => {
      unet.setAttentionSlice("max");
      return predict();
    };
    return [predict, inSlices, async () => unet.sampleSize];
  };

const unconditional =
  (inputs: UNet2DInputs = {}): Use =>
  async (folder, engine) => {
    const unet = await UNet2DModel.fromPretrained(folder, { engine });
    return [() => unet.forward(zeros(1, 3, 16, 16), 1, inputs)];
  };

const text =
  (Class: typeof CLIPTextModel): Use =>
  async (folder, engine) => {
    const model = await Class.fromPretrained(folder, { engine });
    const ids = new Tensor("int64", [1, 5], BigInt64Array.of(1n, 2n, 3n, 4n, 5n));
    return [() => model.forward(ids), () => model.forward(ids, { outputHiddenStates: true, clipSkip: 1 })];
  };

/** Inputs of FLUX.1's transformer and its kin, for a picture of 2 x 2 tokens and a text of 3. */
const fluxTokens = { encoderHiddenStates: zeros(1, 3, 48), imgIds: zeros(4, 3), txtIds: zeros(3, 3) };

const NETWORKS: readonly { readonly part: string; readonly use: Use }[] = [
  { part: "sd1-mini/unet", use: conditioned({ encoderHiddenStates: zeros(1, 3, 32) }) },
  {
    part: "sdxl-base-mini/unet",
    use: conditioned({ encoderHiddenStates: zeros(1, 3, 64), addedCond: { textEmbeds: zeros(1, 24), timeIds: zeros(1, 6) } }),
  },
  { part: "ddpm-mini/unet", use: unconditional() },
  { part: "options/unet2d-fourier-class", use: unconditional({ classLabels: Tensor.from([1]) }) },
  { part: "options/unet2d-learned", use: unconditional() },
  { part: "options/unet2d-resnet-samplers", use: unconditional() },
  {
    part: "sd1-mini/vae",
    use: async (folder, engine) => {
      const vae = await AutoencoderKL.fromPretrained(folder, { engine });
      const tiled = (work: Work) => () => {
        vae.memory.tiling = true;
        return work();
      };
      const [encode, decode] = [() => vae.encode(pixels(96)), () => vae.decode(zeros(1, 4, 48, 48))];
      return [encode, decode, tiled(encode), tiled(decode)];
    },
  },
  {
    part: "taesd-mini",
    use: async (folder, engine) => {
      const vae = await AutoencoderTiny.fromPretrained(folder, { engine });
      return [() => vae.encode(pixels(32)), () => vae.decode(zeros(1, 4, 4, 4)), async () => vae.scaleLatents(zeros(1, 4, 4, 4))];
    },
  },
  {
    part: "qwen-image-mini/vae",
    use: async (folder, engine) => {
      const vae = await AutoencoderKLQwenImage.fromPretrained(folder, { engine });
      return [() => vae.encode(zeros(1, 3, 1, 32, 32)), () => vae.decode(zeros(1, 4, 1, 4, 4))];
    },
  },
  {
    part: "qwen-image-edit-mini/transformer",
    use: async (folder, engine) => {
      const transformer = await QwenImageTransformer2DModel.fromPretrained(folder, { engine });
      const imgShapes = [
        [1, 2, 3],
        [1, 2, 2],
      ] as const;
      return [() => transformer.forward(zeros(1, 10, 16), 1, { encoderHiddenStates: zeros(1, 3, 32), imgShapes })];
    },
  },
  {
    part: "z-image-mini/text_encoder",
    use: async (folder, engine) => {
      const model = await Qwen3Model.fromPretrained(folder, { engine });
      return [() => model.hiddenStates(new Tensor("int64", [1, 3], BigInt64Array.of(5n, 6n, 7n)), [-2, -1])];
    },
  },
  {
    part: "flux-dev-mini/text_encoder_2",
    use: async (folder, engine) => {
      const model = await T5EncoderModel.fromPretrained(folder, { engine });
      return [() => model.forward(new Tensor("int64", [1, 3], BigInt64Array.of(5n, 6n, 1n)))];
    },
  },
  {
    part: "flux-dev-mini/transformer",
    use: async (folder, engine) => {
      const net = await FluxTransformer2DModel.fromPretrained(folder, { engine });
      const inputs = { ...fluxTokens, pooledProjections: zeros(1, 16), guidance: 3.5 };
      return [() => net.forward(zeros(1, 4, 64), 0.5, inputs)];
    },
  },
  {
    part: "chroma-mini/transformer",
    use: async (folder, engine) => {
      const net = await ChromaTransformer2DModel.fromPretrained(folder, { engine });
      return [() => net.forward(zeros(1, 4, 64), 0.5, { ...fluxTokens, attentionMask: zeros(1, 7) })];
    },
  },
  {
    part: "sd35-mini/transformer",
    use: async (folder, engine) => {
      const net = await SD3Transformer2DModel.fromPretrained(folder, { engine });
      const inputs = { encoderHiddenStates: zeros(1, 3, 48), pooledProjections: zeros(1, 28) };
      return [
        () => net.forward(zeros(1, 16, 4, 6), 500, inputs),
        () => net.forward(zeros(1, 16, 4, 6), 500, { ...inputs, skipLayers: [1] }),
      ];
    },
  },
  {
    part: "qwen-image-edit-mini/text_encoder",
    use: async (folder, engine) => {
      const model = await Qwen2_5_VLForConditionalGeneration.fromPretrained(folder, { engine });
      const ids = new Tensor("int64", [1, 3], BigInt64Array.of(5n, 951n, 6n));
      const imageGridThw = new Tensor("int64", [1, 3], BigInt64Array.of(1n, 2n, 2n));
      return [() => model.forward(ids, { pixelValues: zeros(4, 1176), imageGridThw }), () => model.hiddenStates(ids, [-2])];
    },
  },
  { part: "sd1-mini/text_encoder", use: text(CLIPTextModel) },
  { part: "sdxl-base-mini/text_encoder_2", use: text(CLIPTextModelWithProjection) },
  {
    part: "options/clip-vision",
    use: async (folder, engine) => {
      const model = await CLIPVisionModel.fromPretrained(folder, { engine });
      return [() => model.forward(pixels(56), { outputHiddenStates: true })];
    },
  },
  {
    part: "safety-mini",
    use: async (folder, engine) => {
      const model = await StableDiffusionSafetyChecker.fromPretrained(folder, { engine });
      return [() => model.forward(pixels(56))];
    },
  },
  {
    part: "controlnet-mini",
    use: async (folder, engine) => {
      const net = await ControlNetModel.fromPretrained(folder, { engine });
      const inputs = { encoderHiddenStates: zeros(1, 3, 32), controlnetCond: pixels(16) };
      return [() => net.forward(zeros(1, 4, 8, 8), 1, inputs), () => net.forward(zeros(1, 4, 8, 8), 1, { ...inputs, guessMode: true })];
    },
  },
];

it.each(NETWORKS)("$part is of use as it is", async ({ part, use }) => {
  const { files, engine } = filesOfPart(part);
  const works = await use(new MemoryFolder(files), engine);
  for (const work of works) await work();
});

function filesOfPart(part: string) {
  const files = new Map(filesOf(checkpoint(part)).filter(([path]) => !path.includes(".fp16.")));
  // Its files are those of a class with more weights, which are let pass.
  if (part === "options/clip-vision") files.set("config.json", Buffer.from(String(files.get("config.json")).replace("WithProjection", "")));
  return { files, engine: inspectingEngine(files) };
}

function attackOn({ part, use }: (typeof NETWORKS)[number]): Attack {
  const { files, engine } = filesOfPart(part);
  const config = JSON.parse(String(files.get("config.json")));
  return attack(
    `${part}/config.json with fields that are wrong`,
    editedJson(config),
    async (json) => {
      const folder = new MemoryFolder(new Map([...files, ["config.json", Buffer.from(json)]]));
      const unwatch = watchSizes();
      try {
        for (const work of (await refusing(() => use(folder, engine))) ?? []) await refusing(work);
      } finally {
        unwatch();
      }
    },
    { runs: 80 },
  );
}

const PROCESSOR = readFileSync(`${checkpoint("safety-mini")}/preprocessor_config.json`);
const picture = new Picture(5, 4, new Uint8Array(60));

async function preprocess(bytes: Uint8Array): Promise<void> {
  const folder = new MemoryFolder(new Map([["preprocessor_config.json", bytes]]));
  const processor = await refusing(() => CLIPImageProcessor.fromPretrained(folder));
  const pixels = processor && (await refusing(() => processor.preprocess(picture)));
  if (pixels) expect(pixels.shape.slice(0, 2)).toEqual([1, 3]);
}

surface("a part's config", [
  ...NETWORKS.map(attackOn),
  attack(
    "preprocessor_config.json with fields that are wrong",
    editedJson(JSON.parse(String(PROCESSOR))).map((json) => Buffer.from(json)),
    preprocess,
  ),
  attack("with damaged bytes", fc.constant(PROCESSOR).chain(editedBytes), preprocess),
]);
