import "../../src/hub/open-checkpoint.js";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { camelCaseKeys } from "../../src/checkpoint/config.js";
import { Picture } from "../../src/image/picture.js";
import { Qwen2VLImageProcessor } from "../../src/image/qwen2-vl-image-processor.js";
import { snakeCase } from "../../src/letter-case.js";
import { CLIPTextModel, CLIPTextModelWithProjection } from "../../src/models/clip-text.js";
import type { ModelOptions } from "../../src/models/model.js";
import { Qwen2_5_VLForConditionalGeneration } from "../../src/models/qwen2-5-vl.js";
import { Qwen3Model } from "../../src/models/qwen3.js";
import { T5EncoderModel } from "../../src/models/t5-encoder.js";
import { ChromaTextEncoders } from "../../src/pipelines/prompt/chroma.js";
import { FluxTextEncoders } from "../../src/pipelines/prompt/flux.js";
import { Flux2KleinTextEncoders } from "../../src/pipelines/prompt/flux2-klein.js";
import { QwenImageEditTextEncoders, QwenImageTextEncoders } from "../../src/pipelines/prompt/qwen-image.js";
import { type RaggedFeatures, splitRagged } from "../../src/pipelines/prompt/ragged-features.js";
import { StableDiffusion3TextEncoders } from "../../src/pipelines/prompt/stable-diffusion-3.js";
import { type EncodedPrompt, embedsOf, type TextEncoders, type TextFeatures } from "../../src/pipelines/prompt/text-encoders.js";
import { ZImageTextEncoders } from "../../src/pipelines/prompt/z-image.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { CLIPTokenizer } from "../../src/tokenizer/clip.js";
import { Qwen2Tokenizer } from "../../src/tokenizer/qwen2.js";
import { T5Tokenizer } from "../../src/tokenizer/t5.js";
import type { ParityCase } from "./cases.js";
import { type Comparison, NotSupported, withinAbsolute } from "./comparison.js";
import { everyToken, TOLERANCE } from "./models.js";

interface PromptMeta {
  readonly checkpoint: string;
  readonly pipeline: string;
  /** Arguments of `encode_prompt`. */
  readonly call: Readonly<Record<string, unknown>>;
  /** If there is a number, only every so many tokens are stored. */
  readonly every?: number;
}

/** What opens a checkpoint's part. */
interface Loader<Part> {
  fromPretrained(path: string, options: ModelOptions): Promise<Part>;
}

/** The parts of a checkpoint, which are freed together. */
class Parts implements AsyncDisposable {
  private readonly models: AsyncDisposable[] = [];

  constructor(
    private readonly path: string,
    private readonly options: ModelOptions,
  ) {}

  async model<Part extends AsyncDisposable>(subfolder: string, loader: Loader<Part>): Promise<Part> {
    const model = await loader.fromPretrained(this.path, { ...this.options, subfolder });
    this.models.push(model);
    return model;
  }

  /** The part; null if the checkpoint has none. */
  async optional<Part extends AsyncDisposable>(subfolder: string, loader: Loader<Part>): Promise<Part | null> {
    const [library] = this.index[subfolder] as readonly (string | null)[];
    return library === null ? null : this.model(subfolder, loader);
  }

  /** The transformer's config. */
  get config(): Readonly<Record<string, number>> {
    return this.json("transformer/config.json") as Readonly<Record<string, number>>;
  }

  tokenizer<Part>(
    subfolder: string,
    loader: { fromPretrained(path: string, options: { subfolder: string }): Promise<Part> },
  ): Promise<Part> {
    return loader.fromPretrained(this.path, { subfolder });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const model of this.models) await model[Symbol.asyncDispose]();
  }

  private get index() {
    return this.json("model_index.json");
  }

  private json(path: string): Record<string, unknown> {
    return JSON.parse(readFileSync(join(this.path, path), "utf8"));
  }
}

/** What opens a pipeline's text encoders; `pictures` are those of the case. */
type Open = (parts: Parts, pictures: readonly Picture[]) => Promise<TextEncoders>;

const READERS: Readonly<Record<string, Open>> = {
  FluxPipeline: async (parts) =>
    new FluxTextEncoders({
      textEncoder: await parts.model("text_encoder", CLIPTextModel),
      tokenizer: await parts.tokenizer("tokenizer", CLIPTokenizer),
      textEncoder2: await parts.model("text_encoder_2", T5EncoderModel),
      tokenizer2: await parts.tokenizer("tokenizer_2", T5Tokenizer),
      widths: widthsOf(parts),
    }),
  ChromaPipeline: async (parts) =>
    new ChromaTextEncoders({
      textEncoder: await parts.model("text_encoder", T5EncoderModel),
      tokenizer: await parts.tokenizer("tokenizer", T5Tokenizer),
      width: widthsOf(parts)[0],
    }),
  StableDiffusion3Pipeline: async (parts) => {
    const textEncoder3 = await parts.optional("text_encoder_3", T5EncoderModel);
    return new StableDiffusion3TextEncoders({
      textEncoder: await parts.model("text_encoder", CLIPTextModelWithProjection),
      tokenizer: await parts.tokenizer("tokenizer", CLIPTokenizer),
      textEncoder2: await parts.model("text_encoder_2", CLIPTextModelWithProjection),
      tokenizer2: await parts.tokenizer("tokenizer_2", CLIPTokenizer),
      textEncoder3,
      tokenizer3: textEncoder3 && (await parts.tokenizer("tokenizer_3", T5Tokenizer)),
      widths: widthsOf(parts),
    });
  },
  QwenImagePipeline: async (parts) =>
    new QwenImageTextEncoders({
      textEncoder: await parts.model("text_encoder", Qwen2_5_VLForConditionalGeneration),
      tokenizer: await parts.tokenizer("tokenizer", Qwen2Tokenizer),
      width: widthsOf(parts)[0],
    }),
  QwenImageEditPlusPipeline: async (parts, pictures) => {
    const reading = {
      textEncoder: await parts.model("text_encoder", Qwen2_5_VLForConditionalGeneration),
      tokenizer: await parts.tokenizer("tokenizer", Qwen2Tokenizer),
      processor: await parts.tokenizer("processor", Qwen2VLImageProcessor),
      width: widthsOf(parts)[0],
    };
    return new QwenImageEditTextEncoders(reading, pictures);
  },
  ZImagePipeline: async (parts) =>
    new ZImageTextEncoders({
      textEncoder: await parts.model("text_encoder", Qwen3Model),
      tokenizer: await parts.tokenizer("tokenizer", Qwen2Tokenizer),
      width: parts.config.cap_feat_dim ?? 0,
    }) as unknown as TextEncoders,
  Flux2KleinPipeline: async (parts) =>
    new Flux2KleinTextEncoders({
      textEncoder: await parts.model("text_encoder", Qwen3Model),
      tokenizer: await parts.tokenizer("tokenizer", Qwen2Tokenizer),
      width: widthsOf(parts)[0],
    }),
};

/** The features that a pipeline's text encoders make of prompts. Positions of tokens (`text_ids`) are its transformer's. */
export async function comparePromptEncoding(
  { meta, tensors }: ParityCase,
  { checkpoints, ...options }: { checkpoints: string } & ModelOptions,
): Promise<Comparison[]> {
  const { checkpoint, pipeline, call, every = 1 } = meta as unknown as PromptMeta;
  const read = READERS[pipeline];
  if (!read) throw new NotSupported(pipeline);
  await using parts = new Parts(join(checkpoints, checkpoint), options);
  const { do_classifier_free_guidance: isAsked, ...rest } = call;
  const given = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== null));
  const request = camelCaseKeys(given as never) as never;
  const all = Object.entries(tensors());
  const expected = all.filter(([name]) => name !== "text_ids" && !name.startsWith("image."));
  const pictures = all.flatMap(([name, tensor]) => (name.startsWith("image.") ? [pictureOf(tensor as Tensor<"uint8">)] : []));
  const isGuided = isAsked !== false && expected.some(([name]) => name.startsWith("negative_"));
  const encoded = (await (await read(parts, pictures)).encode(request, { isGuided })).at(1);
  const features = Object.entries(embedsOf(encoded)).map(([name, tensor]) => [snakeCase(name), tensor] as const);
  const own: Record<string, Tensor | undefined> = { ...Object.fromEntries(features), ...rowsOf(encoded) };
  return expected.map(([name, tensor]) => {
    const found = own[name];
    if (!found) throw new Error(`there is no ${name}`);
    return withinAbsolute(name, everyToken(found, every), tensor, TOLERANCE);
  });
}

/** Features of texts of different lengths, a tensor for each. */
function rowsOf({ positive, negative }: EncodedPrompt<TextFeatures>): Record<string, Tensor> {
  const rows = (name: string, features: TextFeatures | undefined) =>
    features && "promptEmbedsMask" in features
      ? splitRagged(features as RaggedFeatures).map((row, i) => [`${name}.${i}`, row] as const)
      : [];
  return Object.fromEntries([...rows("prompt_embeds", positive), ...rows("negative_prompt_embeds", negative)]);
}

function pictureOf({ data, shape: [height = 0, width = 0] }: Tensor<"uint8">): Picture {
  return new Picture(width, height, data);
}

function widthsOf({ config }: Parts): readonly [tokens: number, pooled: number] {
  return [config.joint_attention_dim ?? 0, config.pooled_projection_dim ?? 0];
}
