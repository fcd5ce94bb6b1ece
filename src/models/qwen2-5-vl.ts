import * as v from "valibot";
import { count, depth } from "../checkpoint/schema.js";
import { ArgumentError, ConfigError } from "../errors.js";
import type { Value } from "../graph/graph.js";
import { gather, concat as join, reshape } from "../graph/ops/shapes.js";
import type { Scope } from "../graph/scope.js";
import { hiddenActivationName } from "../layers/basic.js";
import { sectionedRotaryTables } from "../layers/rotary.js";
import { checkOptions } from "../options/check-options.js";
import { type Fields, field, flag, tensor } from "../options/fields.js";
import type { Folder } from "../platform/folder.js";
import { concat, Tensor } from "../tensor/tensor.js";
import { expectShape } from "./expect-shape.js";
import { imagePositions } from "./image-positions.js";
import {
  checkHeads,
  type Feeds,
  type HiddenStatesOptions,
  LanguageModel,
  type LanguageModelOptions,
  type LanguageModelOutput,
  MASK_FIELDS,
} from "./language-model.js";
import { type ModelOptions, openModel } from "./model.js";
import { type PatchGrid, qwenVisionSchema, visionFeeds, visionTower } from "./qwen-vision.js";
import { ropeFields, thetaOf } from "./rope-config.js";

const fields = v.object({
  /** Tokens in the vocabulary; 152064 by default. */
  vocabSize: v.nullish(count, 152064),
  /** Width of each token's features; 8192 by default. */
  hiddenSize: v.nullish(count, 8192),
  /** Width of the hidden layer in each perceptron; 29568 by default. */
  intermediateSize: v.nullish(count, 29568),
  /** Transformer layers; 80 by default. */
  numHiddenLayers: v.nullish(depth, 80),
  /** Attention heads of each layer; 64 by default. */
  numAttentionHeads: v.nullish(count, 64),
  /** Heads of keys and values, each for several heads of queries; 8 by default. */
  numKeyValueHeads: v.nullish(count, 8),
  /** The activation function of the perceptrons; "silu" by default. */
  hiddenAct: v.nullish(hiddenActivationName, "silu"),
  /** Added to the mean square in the norms; 1e-5 by default. */
  rmsNormEps: v.nullish(v.number(), 1e-5),
  /** Whether tokens attend to the nearest tokens only. Darkroom computes false, the default. */
  useSlidingWindow: v.nullish(v.literal(false), false),
  ...ropeFields,
  /** Id of the token that a picture's features take the place of; 151655 by default. */
  imageTokenId: v.nullish(count, 151655),
  /** The vision tower. */
  visionConfig: v.nullish(qwenVisionSchema, {}),
});
// Newer configs have the decoder's values in an object of their own.
const schema = v.pipe(
  v.looseObject({ textConfig: v.nullish(v.looseObject({})) }),
  v.transform(({ textConfig, ...rest }) => ({ ...rest, ...textConfig })),
  fields,
);

/** `config.json` of Qwen2.5-VL, with transformers' defaults. @interface */
export type Qwen2_5_VLConfig = v.InferOutput<typeof fields>;

/** Pictures among the tokens of a text. */
export interface PictureOptions {
  /** The patches of all pictures, as a Qwen2VLImageProcessor makes them [patches, numbers of a patch]. */
  readonly pixelValues?: Tensor | undefined;
  /** Instead of `pixelValues`: features of the pictures, as `imageFeatures` makes them [tokens, hidden_size]. */
  readonly imageEmbeds?: Tensor | undefined;
  /** int64 [pictures, 3]: frames, rows and columns of each picture's patches. */
  readonly imageGridThw?: Tensor<"int64"> | undefined;
  /**
   * int64 [batch, tokens]: 1 for the tokens of pictures, 0 for text. With it, the tokens of a picture have the positions of their rows and
   * columns. Without it, positions are 0, 1, 2, ..., as in diffusers' pipelines with transformers 5.
   */
  readonly mmTokenTypeIds?: Tensor<"int64"> | undefined;
}

const int64 = field<Tensor<"int64">>((value) => value instanceof Tensor && value.dtype === "int64", "an int64 Tensor");
const PICTURE_FIELDS: Fields<PictureOptions> = { pixelValues: tensor, imageEmbeds: tensor, imageGridThw: int64, mmTokenTypeIds: int64 };
const STATES_FIELDS: Fields<HiddenStatesOptions & PictureOptions> = { ...MASK_FIELDS, ...PICTURE_FIELDS };
const FIELDS: Fields<LanguageModelOptions & PictureOptions> = { ...STATES_FIELDS, outputHiddenStates: flag };

/**
 * Qwen2.5-VL (Bai et al. 2025), the prompt encoder of Qwen-Image: a text decoder and a vision tower, whose features take the place of
 * `<|image_pad|>` tokens. Matches transformers' Qwen2_5_VLForConditionalGeneration, without its output layer: it writes no text.
 */
export class Qwen2_5_VLForConditionalGeneration extends LanguageModel<Qwen2_5_VLConfig> {
  protected override readonly modelType = "qwen2_5_vl";
  protected override readonly prefixes = ["model", "language_model.model", "model.language_model"];

  /** @throws CheckpointError, ConfigError, DeviceError */
  static async fromPretrained(source: string | Folder, options: ModelOptions = {}): Promise<Qwen2_5_VLForConditionalGeneration> {
    const parts = await openModel("Qwen2_5_VLForConditionalGeneration", schema, source, options, check, ["Qwen2_5_VLModel"]);
    return new Qwen2_5_VLForConditionalGeneration(parts);
  }

  protected get decoder() {
    const { hiddenSize, numAttentionHeads } = this.config;
    return { ...this.config, headDim: hiddenSize / numAttentionHeads, normsHeads: false };
  }

  protected get theta(): number {
    return thetaOf(this.config, 1_000_000);
  }

  /**
   * Encodes token ids [batch, tokens], padded to one length, with pictures among them.
   * @throws ArgumentError if an id is not in the vocabulary, a shape does not fit, or there are more or fewer tokens for pictures than the
   * pictures have.
   */
  override async forward(inputIds: Tensor<"int64">, options: LanguageModelOptions & PictureOptions = {}): Promise<LanguageModelOutput> {
    const { outputHiddenStates, ...rest } = checkOptions(options, FIELDS, { call: `${this.className}.forward` });
    const feeds = await this.feeds(inputIds, rest);
    return this.outputOf(outputHiddenStates, (wanted) => this.states(feeds, wanted));
  }

  /** As `hiddenStates` of every language model, with pictures among the tokens. */
  override async hiddenStates(
    inputIds: Tensor<"int64">,
    layers: readonly number[],
    options: HiddenStatesOptions & PictureOptions = {},
  ): Promise<readonly Tensor[]> {
    const checked = checkOptions(options, STATES_FIELDS, { call: `${this.className}.hiddenStates` });
    return this.states(await this.feeds(inputIds, checked), this.layersFrom(layers));
  }

  /**
   * Features of pictures [tokens, hidden_size], one picture after another.
   * @throws ArgumentError if the patches do not fit the grids.
   */
  async imageFeatures(pixelValues: Tensor, imageGridThw: Tensor<"int64">): Promise<Tensor> {
    const { visionConfig: config } = this.config;
    const grids = gridsOf(imageGridThw, config.spatialMergeSize);
    const numbers = config.inChannels * config.temporalPatchSize * config.patchSize ** 2;
    const patches = grids.reduce((sum, [frames, rows, columns]) => sum + frames * rows * columns, 0);
    expectShape("pixelValues", pixelValues, [patches, numbers]);
    const features: Tensor[] = [];
    let start = 0;
    for (const grid of grids) {
      const end = start + grid[0] * grid[1] * grid[2];
      features.push(await this.pictureFeatures(pixelValues.slice(start, end), grid));
      start = end;
    }
    return concat(features);
  }

  private async pictureFeatures(patches: Tensor, grid: PatchGrid): Promise<Tensor> {
    const { visionConfig: config } = this.config;
    const { feeds, places } = visionFeeds(patches, grid, config);
    const { features } = await this.run("vision", feeds, async (inputs, w) => ({
      features: await visionTower(
        inputs as Parameters<typeof visionTower>[0],
        w.has("visual.patch_embed.proj") ? w.at("visual") : w.at("model", "visual"),
        config,
      ),
    }));
    return concat(places.map((place) => features.slice(place, place + 1)));
  }

  private async feeds(inputIds: Tensor<"int64">, options: HiddenStatesOptions & PictureOptions): Promise<Feeds> {
    const feeds = this.textFeeds(inputIds, options);
    const { imageGridThw, mmTokenTypeIds } = options;
    const features = await this.featuresOf(options);
    if (!features) return feeds;
    const rows = this.rowsWith(inputIds, features.shape[0] ?? 0);
    if (mmTokenTypeIds && !imageGridThw) {
      throw new ArgumentError("mmTokenTypeIds were given without imageGridThw", { argument: "imageGridThw" });
    }
    const turned = mmTokenTypeIds && this.imageTables(inputIds, mmTokenTypeIds, imageGridThw as Tensor<"int64">, options.attentionMask);
    return { ...feeds, ...turned, image_features: features, embedding_rows: rows };
  }

  /** Features of the pictures of a call; undefined if it has none. */
  private async featuresOf({ pixelValues, imageEmbeds, imageGridThw }: PictureOptions): Promise<Tensor | undefined> {
    if (pixelValues && imageEmbeds) {
      throw new ArgumentError("both pixelValues and imageEmbeds were given; expected one of them", { argument: "pixelValues" });
    }
    if (imageEmbeds) expectShape("imageEmbeds", imageEmbeds, ["tokens", this.config.hiddenSize]);
    if (!pixelValues) return imageEmbeds;
    if (imageGridThw) return this.imageFeatures(pixelValues, imageGridThw);
    throw new ArgumentError("pixelValues were given without imageGridThw", { argument: "imageGridThw" });
  }

  /** The row of each token in the table of the words' embeddings followed by the pictures' features. */
  private rowsWith({ data, shape, size }: Tensor<"int64">, features: number): Tensor<"int64"> {
    let next = size;
    const rows = BigInt64Array.from(data, (id, i) => BigInt(id === BigInt(this.config.imageTokenId) ? next++ : i));
    if (next === size + features) return new Tensor("int64", shape, rows);
    throw new ArgumentError(`the text has ${next - size} tokens for pictures; the pictures have ${features}`, {
      argument: "inputIds",
      hint: `repeat the token ${this.config.imageTokenId} as often as a picture has tokens`,
    });
  }

  /** Rotary tables in which a picture's tokens have the positions of their rows and columns. */
  private imageTables(
    inputIds: Tensor<"int64">,
    mmTokenTypeIds: Tensor<"int64">,
    imageGridThw: Tensor<"int64">,
    attentionMask: Tensor<"int64"> | undefined,
  ): Feeds {
    const { visionConfig, ropeScaling, ropeParameters } = this.config;
    expectShape("mmTokenTypeIds", mmTokenTypeIds, inputIds.shape, ["int64"]);
    const grids = gridsOf(imageGridThw, visionConfig.spatialMergeSize);
    const positions = imagePositions(mmTokenTypeIds, attentionMask, grids, visionConfig.spatialMergeSize);
    const sections = ropeScaling?.mropeSection ?? ropeParameters?.mropeSection ?? [16, 24, 24];
    const { cos, sin } = sectionedRotaryTables(positions, { sections, theta: this.theta });
    return {
      cos,
      sin,
      rows: new Tensor(
        "int64",
        inputIds.shape,
        BigInt64Array.from(positions, (_, i) => BigInt(i)),
      ),
    };
  }

  protected override embed(inputs: Readonly<Record<string, Value>>, w: Scope): Value {
    const words = super.embed(inputs, w);
    const { image_features: features, embedding_rows: rows } = inputs;
    if (!features || !rows) return words;
    const { hiddenSize } = this.config;
    return gather(join([reshape(words, [-1, hiddenSize]), features], 0), rows);
  }
}

/** The grids of pictures. @throws ArgumentError if one cannot be merged to tokens. */
function gridsOf(imageGridThw: Tensor<"int64">, merge: number): readonly PatchGrid[] {
  expectShape("imageGridThw", imageGridThw, ["pictures", 3], ["int64"]);
  const numbers = Array.from(imageGridThw.data, Number);
  const grids = Array.from({ length: numbers.length / 3 }, (_, i) => numbers.slice(3 * i, 3 * i + 3) as unknown as PatchGrid);
  const wrong = grids.find(([frames, ...sides]) => frames < 1 || sides.some((side) => side < 1 || side % merge !== 0));
  if (!wrong) return grids;
  throw new ArgumentError(`imageGridThw has ${wrong.join(" x ")} patches; expected rows and columns in multiples of ${merge}`, {
    argument: "imageGridThw",
  });
}

function check(owner: string, config: Qwen2_5_VLConfig): void {
  const { hiddenSize, numAttentionHeads, visionConfig, ropeScaling, ropeParameters } = config;
  const headDim = hiddenSize / numAttentionHeads;
  checkHeads(owner, { ...config, headDim });
  const sections = ropeScaling?.mropeSection ?? ropeParameters?.mropeSection;
  if (sections && sections.reduce((sum, each) => sum + each, 0) !== headDim / 2) {
    throw new ConfigError(`${owner}: mrope_section is ${sections.join(", ")}; expected a sum of ${headDim / 2}, half of a head's width`);
  }
  const visionHead = visionConfig.hiddenSize / visionConfig.numHeads;
  if (visionHead % 4 !== 0)
    throw new ConfigError(`${owner}: heads of the vision tower have ${visionHead} channels; expected a multiple of 4`);
}
