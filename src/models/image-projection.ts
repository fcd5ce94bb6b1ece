import { ipAdapterKind } from "../checkpoint/ip-adapter-kind.js";
import type { JsonObject } from "../checkpoint/json.js";
import type { Weights } from "../checkpoint/weights.js";
import { ArgumentError, CheckpointError } from "../errors.js";
import type { Value } from "../graph/graph.js";
import { gelu } from "../graph/ops/activations.js";
import { attention } from "../graph/ops/attention.js";
import { add, scale } from "../graph/ops/elementwise.js";
import { concat, expand, reshape } from "../graph/ops/shapes.js";
import type { Scope } from "../graph/scope.js";
import { layerNorm, linear, linearRows } from "../layers/basic.js";
import type { Engine } from "../runtime/engine.js";
import type { Tensor } from "../tensor/tensor.js";
import { expectShape } from "./expect-shape.js";
import { Model, type ModelParts } from "./model.js";

// The networks of IP-Adapters that turn embeddings of pictures into tokens for the UNet's attention. Their weights have the names of
// Tencent's files.

/** The sizes of an image projection, as its weights have them. */
export interface ImageProjectionConfig {
  /** Width of the embeddings of pictures. */
  readonly imageEmbedDim: number;
  /** Width of the tokens: that of the UNet's context. */
  readonly crossAttentionDim: number;
  /** Tokens for each picture; undefined: as many as the embedding has. */
  readonly numTokens: number | undefined;
}

/** What the networks of IP-Adapters have in common: they turn embeddings of pictures into tokens. */
export abstract class IPAdapterImageProjectionModel extends Model<ImageProjectionConfig> {
  /** Whether it takes the hidden states of the image encoder's last layer but one, not the pooled embedding. */
  readonly takesHiddenStates: boolean = true;
  /** Whether it takes an embedding of a face's identity, which no image encoder of CLIP makes. */
  readonly takesIdentity: boolean = false;

  /**
   * The tokens [n, tokens, crossAttentionDim] of n pictures.
   * @param imageEmbeds [n, imageEmbedDim], or hidden states [n, patches, imageEmbedDim].
   * @throws ArgumentError for another shape.
   */
  async forward(imageEmbeds: Tensor): Promise<Tensor> {
    const { imageEmbedDim } = this.config;
    const shape = this.takesHiddenStates ? ["pictures", "patches", imageEmbedDim] : ["pictures", imageEmbedDim];
    expectShape("imageEmbeds", imageEmbeds, shape);
    const inputs = { image_embeds: imageEmbeds, ...this.furtherInputs(imageEmbeds.shape[0] ?? 0) };
    const { tokens } = await this.run(this.variant, inputs, (values, w) => ({ tokens: this.project(values, w) }));
    return tokens as Tensor;
  }

  /** Inputs beside the embeddings, for n pictures. */
  protected furtherInputs(_pictures: number): Readonly<Record<string, Tensor>> {
    return {};
  }

  /** Settings that change the graph or its inputs; tokens can be used again while they are the same. @internal */
  get settings(): readonly unknown[] {
    return [];
  }

  /** Tells the graphs of this network apart. */
  protected get variant(): string {
    return "projection";
  }

  protected abstract project(inputs: Readonly<Record<string, Value>>, w: Scope): Value;
}

/** Turns a pooled embedding into four tokens. Matches diffusers' ImageProjection. */
export class ImageProjection extends IPAdapterImageProjectionModel {
  override readonly takesHiddenStates = false;

  protected project({ image_embeds: x }: { readonly image_embeds: Value }, w: Scope): Value {
    const { crossAttentionDim, numTokens = 1 } = this.config;
    const tokens = linear(x, w.at("proj"), numTokens * crossAttentionDim);
    return layerNorm(reshape(tokens, [-1, numTokens, crossAttentionDim]), w.at("norm"));
  }
}

/** Turns every hidden state into a token. Matches diffusers' IPAdapterFullImageProjection. */
export class IPAdapterFullImageProjection extends IPAdapterImageProjectionModel {
  protected project({ image_embeds: x }: { readonly image_embeds: Value }, w: Scope): Value {
    return layerNorm(perceptron(x, w.at("proj"), this.config.crossAttentionDim), w.at("proj", 3));
  }
}

/** Turns the embedding of a face's identity into tokens. Matches diffusers' IPAdapterFaceIDImageProjection. */
export class IPAdapterFaceIDImageProjection extends IPAdapterImageProjectionModel {
  override readonly takesHiddenStates = false;
  override readonly takesIdentity = true;

  protected project({ image_embeds: x }: { readonly image_embeds: Value }, w: Scope): Value {
    const { crossAttentionDim, numTokens = 1 } = this.config;
    const tokens = perceptron(x, w.at("proj"), numTokens * crossAttentionDim);
    return layerNorm(reshape(tokens, [-1, numTokens, crossAttentionDim]), w.at("norm"));
  }
}

/** A Resampler: its own tokens attend to the hidden states. Matches diffusers' IPAdapterPlusImageProjection. */
export class IPAdapterPlusImageProjection extends IPAdapterImageProjectionModel {
  protected project({ image_embeds: x }: { readonly image_embeds: Value }, w: Scope): Value {
    const { crossAttentionDim, numTokens = 1 } = this.config;
    const width = w.shapeOf("latents")[2] ?? 0;
    const latents = expand(w.tensor("latents", [1, numTokens, width]), [x.shape[0] ?? 1, numTokens, width]);
    return resample(latents, linear(x, w.at("proj_in"), width), w, crossAttentionDim);
  }
}

/**
 * A Resampler whose tokens are made from the embedding of a face's identity: they attend to the hidden states of the face's picture, which
 * are given as {@link clipEmbeds}. Matches diffusers' IPAdapterFaceIDPlusImageProjection.
 */
export class IPAdapterFaceIDPlusImageProjection extends IPAdapterImageProjectionModel {
  override readonly takesHiddenStates = false;
  override readonly takesIdentity = true;
  /**
   * The image encoder's hidden states of the face's picture [batch, pictures, patches, features], a row for each row of the embeddings of
   * the identity: what `prepareIPAdapterImageEmbeds` makes. None by default; then a call fails.
   */
  clipEmbeds: Tensor | undefined;
  /** Whether the identity's tokens are added to the result, as version 2 of FaceID Plus wants; false by default. */
  shortcut = false;
  /** With `shortcut`: the weight of the result; 1 by default. */
  shortcutScale = 1;

  override get settings(): readonly unknown[] {
    return [this.clipEmbeds, this.shortcut, this.shortcutScale];
  }

  protected override get variant(): string {
    return `projection ${this.shortcut ? this.shortcutScale : ""}`;
  }

  protected override furtherInputs(pictures: number): Readonly<Record<string, Tensor>> {
    const { clipEmbeds } = this;
    if (!clipEmbeds) {
      throw new ArgumentError("this IP-Adapter (FaceID Plus) also needs the image encoder's features of the face's picture", {
        hint: "make them with prepareIPAdapterImageEmbeds, and assign them: pipe.unet.encoderHidProj.imageProjectionLayers[0].clipEmbeds = ...",
      });
    }
    const width = this.weights.shapeOf("perceiver_resampler.proj_in.weight")[1] ?? 0;
    const patches = clipEmbeds.shape.at(-2) ?? 0;
    expectShape("clipEmbeds", clipEmbeds, ["batch", "pictures", "patches", width]);
    const states = clipEmbeds.reshape([clipEmbeds.size / (patches * width), patches, width]);
    if (states.shape[0] !== pictures) {
      throw new ArgumentError(`clipEmbeds has features of ${states.shape[0]} pictures; the embeddings of identities are ${pictures}`, {
        argument: "clipEmbeds",
        hint: "both need a row for each picture of the batch and, with guidance, as many for the negative prompt first",
      });
    }
    return { clip_embeds: states };
  }

  protected project({ image_embeds, clip_embeds }: { readonly image_embeds: Value; readonly clip_embeds: Value }, w: Scope): Value {
    const { crossAttentionDim, numTokens = 1 } = this.config;
    const inner = w.at("perceiver_resampler");
    const width = inner.shapeOf("proj_in.weight")[0] ?? 0;
    const identity = layerNorm(reshape(perceptron(image_embeds, w.at("proj"), numTokens * width), [-1, numTokens, width]), w.at("norm"));
    const result = resample(identity, linear(clip_embeds, inner.at("proj_in"), width), inner, crossAttentionDim);
    return this.shortcut ? add(identity, scale(result, this.shortcutScale)) : result;
  }
}

/** Two layers with a GELU between them. Matches diffusers' FeedForward with "gelu". */
function perceptron(x: Value, w: Scope, width: number): Value {
  return linear(gelu(linear(x, w.at(0), w.shapeOf("0.weight")[0] ?? 0)), w.at(2), width);
}

/** Width of an attention head in all Resamplers. */
const HEAD_WIDTH = 64;

/** The tokens [n, tokens, width] after they attended to the pictures' features x in every layer, in the width of the context. */
function resample(start: Value, x: Value, w: Scope, crossAttentionDim: number): Value {
  let tokens = start;
  for (let i = 0; w.at("layers", i).has("1.1") || w.at("layers", i).has("ff.1.net.0.proj"); i++) {
    tokens = resamplerLayer(tokens, x, w.at("layers", i));
  }
  return layerNorm(linear(tokens, w.at("proj_out"), crossAttentionDim), w.at("norm_out"));
}

/** The names in a Resampler's layer: Tencent's, and those of files that diffusers converted. */
const LAYER_NAMES = {
  tencent: { features: "0.norm1", tokens: "0.norm2", attention: "0", norm: "1.0", first: "1.1", second: "1.3" },
  diffusers: { features: "ln0", tokens: "ln1", attention: "attn", norm: "ff.0", first: "ff.1.net.0.proj", second: "ff.1.net.2" },
} as const;

function resamplerLayer(tokens: Value, x: Value, w: Scope): Value {
  const names = w.has("1.1") ? LAYER_NAMES.tencent : LAYER_NAMES.diffusers;
  const width = tokens.shape[2] ?? 0;
  const own = w.at(names.attention);
  const [inner = 0] = own.shapeOf("to_q.weight");
  const normed = layerNorm(tokens, w.at(names.tokens));
  const context = concat([layerNorm(x, w.at(names.features)), normed], 1);
  const isJoined = own.has("to_kv");
  const project = (name: string, half: number) =>
    isJoined ? linearRows(context, own.at("to_kv"), 2 * inner, [half * inner, (half + 1) * inner]) : linear(context, own.at(name), inner);
  const attended = attention(linear(normed, own.at("to_q"), inner), project("to_k", 0), project("to_v", 1), inner / HEAD_WIDTH);
  const h = add(linear(attended, own.has("to_out") ? own.at("to_out") : own.at("to_out", 0), width), tokens);
  const hidden = gelu(linear(layerNorm(h, w.at(names.norm)), w.at(names.first), w.shapeOf(`${names.first}.weight`)[0] ?? 0));
  return add(linear(hidden, w.at(names.second), width), h);
}

/** The kind of projection that weights belong to, as diffusers tells them apart, and its sizes. @throws CheckpointError if it is none. */
export function openImageProjection(weights: Weights, engine: Engine): IPAdapterImageProjectionModel {
  const extent = (name: string, axis: number) => weights.shapeOf(name)[axis] ?? 0;
  const parts = (className: string, config: ImageProjectionConfig): ModelParts<ImageProjectionConfig> => {
    return { className, json: { ...config } as JsonObject, config, weights, engine, ownsEngine: false };
  };
  const kind = ipAdapterKind((name) => weights.has(name));
  if (kind === "plain") {
    const crossAttentionDim = extent("norm.weight", 0);
    const numTokens = extent("proj.weight", 0) / crossAttentionDim;
    return new ImageProjection(parts("ImageProjection", { imageEmbedDim: extent("proj.weight", 1), crossAttentionDim, numTokens }));
  }
  if (kind === "full face") {
    const sizes = { imageEmbedDim: extent("proj.0.weight", 1), crossAttentionDim: extent("proj.3.weight", 0), numTokens: undefined };
    return new IPAdapterFullImageProjection(parts("IPAdapterFullImageProjection", sizes));
  }
  if (kind === "FaceID Plus") {
    return new IPAdapterFaceIDPlusImageProjection(
      parts("IPAdapterFaceIDPlusImageProjection", {
        imageEmbedDim: extent("proj.0.weight", 1),
        crossAttentionDim: extent("perceiver_resampler.proj_out.weight", 0),
        numTokens: extent("proj.2.weight", 0) / extent("perceiver_resampler.proj_in.weight", 0),
      }),
    );
  }
  if (kind === "FaceID") {
    const crossAttentionDim = extent("norm.weight", 0);
    const numTokens = extent("proj.2.weight", 0) / crossAttentionDim;
    return new IPAdapterFaceIDImageProjection(
      parts("IPAdapterFaceIDImageProjection", { imageEmbedDim: extent("proj.0.weight", 1), crossAttentionDim, numTokens }),
    );
  }
  if (kind === "plus") {
    return new IPAdapterPlusImageProjection(
      parts("IPAdapterPlusImageProjection", {
        imageEmbedDim: extent("proj_in.weight", 1),
        crossAttentionDim: extent("proj_out.weight", 0),
        numTokens: extent("latents", 1),
      }),
    );
  }
  throw new CheckpointError(`${weights.name}: its image projection (image_proj) is of no known kind`, {
    hint: "known are those of the IP-Adapters of Tencent: plain, Plus, Full Face, FaceID and FaceID Plus",
  });
}
