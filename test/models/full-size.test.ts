import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { AutoencoderKL } from "../../src/models/autoencoder-kl.js";
import { AutoencoderKLFlux2 } from "../../src/models/autoencoder-kl-flux2.js";
import { AutoencoderKLQwenImage } from "../../src/models/autoencoder-kl-qwen-image.js";
import { ChromaTransformer2DModel } from "../../src/models/chroma-transformer-2d.js";
import { CLIPTextModel, CLIPTextModelWithProjection } from "../../src/models/clip-text.js";
import { FluxTransformer2DModel } from "../../src/models/flux-transformer-2d.js";
import { Flux2Transformer2DModel } from "../../src/models/flux2-transformer.js";
import { QwenImageTransformer2DModel } from "../../src/models/qwen-image-transformer.js";
import { Qwen2_5_VLForConditionalGeneration } from "../../src/models/qwen2-5-vl.js";
import { Qwen3Model } from "../../src/models/qwen3.js";
import { SD3Transformer2DModel } from "../../src/models/sd3-transformer-2d.js";
import { T5EncoderModel } from "../../src/models/t5-encoder.js";
import { ZImageTransformer2DModel } from "../../src/models/z-image-transformer.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { type Asked, type AskedNetwork, askedTensors } from "../helpers/asked-tensors.js";

const folder = (name: string) => fileURLToPath(new URL(`../${name}`, import.meta.url));
const zeros = (...shape: number[]) => Tensor.zeros(shape);
const ids = (tokens: number) => Tensor.zeros([1, tokens]).to("int64");

/** Builds the graphs of a class's network with a config. */
type Build = (config: object) => Promise<Asked>;

function network<Model extends AsyncDisposable>(
  open: AskedNetwork<Model>["open"],
  tiny: string,
  run: AskedNetwork<Model>["run"],
  more: Pick<AskedNetwork<Model>, "others" | "nameIn" | "nameOut"> = {},
): Build {
  return (config) => askedTensors({ open, tiny: folder(`checkpoints/${tiny}`), run, ...more }, config);
}

/** Inputs of FLUX.1's transformer and its kin for 1024 x 1024 pixels. */
const fluxTokens = { encoderHiddenStates: zeros(1, 512, 4096), imgIds: zeros(64 * 64, 3), txtIds: zeros(512, 3) };

/** Each class of test/fixtures/full-size. It has no Krea2Transformer2DModel, a family that Darkroom does not run. */
const NETWORKS: Readonly<Record<string, Build>> = {
  AutoencoderKLFlux2: network(AutoencoderKLFlux2, "flux2-klein-base-mini/vae", async (model) => {
    await model.latentStatistics();
    await model.encode(zeros(1, 3, 1024, 1024));
    await model.decode(zeros(1, 32, 128, 128));
  }),
  ChromaTransformer2DModel: network(ChromaTransformer2DModel, "chroma-mini/transformer", (model) =>
    model.forward(zeros(1, 64 * 64, 64), 0.5, { ...fluxTokens, attentionMask: zeros(1, 512 + 64 * 64) }),
  ),
  FluxTransformer2DModel: network(FluxTransformer2DModel, "flux-dev-mini/transformer", (model) =>
    model.forward(zeros(1, 64 * 64, model.config.inChannels), 0.5, {
      ...fluxTokens,
      pooledProjections: zeros(1, 768),
      guidance: model.config.guidanceEmbeds ? 3.5 : undefined,
    }),
  ),
  SD3Transformer2DModel: network(SD3Transformer2DModel, "sd35-mini/transformer", (model) =>
    model.forward(zeros(1, 16, 128, 128), 500, { encoderHiddenStates: zeros(1, 333, 4096), pooledProjections: zeros(1, 2048) }),
  ),
  Flux2Transformer2DModel: network(Flux2Transformer2DModel, "flux2-klein-mini/transformer", (model) =>
    model.forward(zeros(1, 64 * 64, 128), 0.5, {
      encoderHiddenStates: zeros(1, 512, model.config.jointAttentionDim),
      imgIds: zeros(64 * 64, 4),
      txtIds: zeros(512, 4),
      guidance: model.config.guidanceEmbeds ? 4 : undefined,
    }),
  ),
  QwenImageTransformer2DModel: network(QwenImageTransformer2DModel, "qwen-image-mini/transformer", (model) =>
    model.forward(zeros(1, 64 * 64, 64), 0.5, { encoderHiddenStates: zeros(1, 500, 3584), imgShapes: [[1, 64, 64]] }),
  ),
  ZImageTransformer2DModel: network(ZImageTransformer2DModel, "z-image-mini/transformer", (model) =>
    // 63 x 63 tokens, which are filled up.
    model.forward(zeros(1, 16, 126, 126), 0.5, { capFeats: [zeros(500, 2560)] }),
  ),
  Qwen3Model: network(Qwen3Model, "z-image-mini/text_encoder", (model) => model.forward(ids(512))),
  Qwen2_5_VLForConditionalGeneration: network(
    Qwen2_5_VLForConditionalGeneration,
    "qwen-image-edit-mini/text_encoder",
    async (model) => {
      // A picture of 392 x 392 pixels.
      await model.imageFeatures(zeros(28 * 28, 1176), new Tensor("int64", [1, 3], BigInt64Array.of(1n, 28n, 28n)));
      await model.forward(ids(512));
    },
    {
      others: ({ config: { vocabSize, hiddenSize } }) => [`lm_head.weight [${vocabSize}, ${hiddenSize}]`],
      nameIn: (name) => name.replace(/^model\.visual\./, "visual.").replace(/^model\.language_model\./, "model."),
    },
  ),
  CLIPTextModel: network(CLIPTextModel, "sd1-mini/text_encoder", (model) => model.forward(ids(77)), {
    nameIn: (name) => `text_model.${name}`,
  }),
  CLIPTextModelWithProjection: network(CLIPTextModelWithProjection, "sdxl-base-mini/text_encoder_2", (model) => model.forward(ids(77)), {
    nameIn: (name) => `text_model.${name}`,
    nameOut: (name) => (name.startsWith("text_projection.") ? name : `text_model.${name}`),
  }),
  T5EncoderModel: network(T5EncoderModel, "flux-dev-mini/text_encoder_2", (model) => model.forward(ids(512)), {
    // Python has it under a second name, too.
    others: ({ config: { vocabSize, dModel } }) => [`encoder.embed_tokens.weight [${vocabSize}, ${dModel}]`],
  }),
  AutoencoderKL: network(AutoencoderKL, "z-image-mini/vae", async (model) => {
    await model.encode(zeros(1, 3, 1024, 1024));
    await model.decode(zeros(1, 16, 128, 128));
  }),
  AutoencoderKLQwenImage: network(
    AutoencoderKLQwenImage,
    "qwen-image-mini/vae",
    async (model) => {
      await model.encode(zeros(1, 3, 1024, 1024));
      await model.decode(zeros(1, 16, 128, 128));
    },
    { others: timeConvolutions },
  ),
};

/** What Qwen-Image's autoencoder has for several frames. A picture is one frame, for which it is not read. */
function timeConvolutions({ config }: AutoencoderKLQwenImage): readonly string[] {
  const { baseDim, dimMult, numResBlocks, temperalDownsample } = config;
  const convolution = (place: string, from: number, to: number) => [
    `${place}.time_conv.bias [${to}]`,
    `${place}.time_conv.weight [${to}, ${from}, 3, 1, 1]`,
  ];
  return temperalDownsample.flatMap((isHalved, level) => {
    if (!isHalved) return [];
    const [down, up] = [level, level + 1].map((each) => baseDim * (dimMult[each] ?? 0)) as [number, number];
    return [
      // Each level's blocks are followed by what halves the picture.
      ...convolution(`encoder.down_blocks.${level * (numResBlocks + 1) + numResBlocks}`, down, down),
      ...convolution(`decoder.up_blocks.${temperalDownsample.length - 1 - level}.upsamplers.0`, up, 2 * up),
    ];
  });
}

interface FullSize {
  readonly class: string;
  readonly config: object;
  readonly tensors: number;
  readonly names_sha256: string;
  readonly first: readonly string[];
}

const cases = readdirSync(folder("fixtures/full-size"))
  .filter((file) => file !== "schedulers.json")
  .map((file) => [file, JSON.parse(readFileSync(folder(`fixtures/full-size/${file}`), "utf8")) as FullSize] as const);

describe("the graphs of a network of full size", () => {
  it.each(cases)("ask for the tensors that Python's network has, and are built in two seconds: %s", async (_, expected) => {
    const build = NETWORKS[expected.class];
    if (!build) throw new Error(`NETWORKS has no ${expected.class}`);
    const { lines, sha256, seconds } = await build(expected.config);
    expect(lines.slice(0, 3)).toEqual(expected.first);
    expect([lines.length, sha256]).toEqual([expected.tensors, expected.names_sha256]);
    expect(seconds).toBeLessThan(2);
  });
});
