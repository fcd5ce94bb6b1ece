import type { Weights } from "../checkpoint/weights.js";
import { ArgumentError } from "../errors.js";
import type { Value } from "../graph/graph.js";
import type { ImagePrompt, ImagePrompts } from "../graph/image-prompt.js";
import type { Engine } from "../runtime/engine.js";
import { Tensor } from "../tensor/tensor.js";
import { counted } from "../wording.js";
import { type IPAdapterImageProjectionModel, openImageProjection } from "./image-projection.js";
import { type CrossAttention, crossAttentions, type ImageAttention, type IPAdapterFile, matchIPAdapter } from "./ip-adapter-file.js";
import { MaskSizes } from "./ip-adapter-masks.js";
import { expandScale, type IPAdapterScale, type TransformerScales } from "./ip-adapter-scales.js";

/** The image projections of a UNet's IP-Adapters. */
export interface IPAdapterProjections {
  /** A projection for each adapter, in the order in which they were loaded. */
  readonly imageProjectionLayers: readonly IPAdapterImageProjectionModel[];
}

/** The inputs of a UNet with IP-Adapters. */
export interface IPAdapterInputs {
  /**
   * Embeddings of pictures for each IP-Adapter [rows, pictures, features] or [rows, pictures, patches, features], as
   * `prepareIPAdapterImageEmbeds` makes them. The rows are those of `encoderHiddenStates`, or a multiple: then several are for each.
   */
  readonly imageEmbeds?: readonly Tensor[] | undefined;
  /** Where the pictures of each IP-Adapter act [1, pictures, height, width], from 0 to 1; null: everywhere. */
  readonly ipAdapterMasks?: readonly (Tensor | null)[] | undefined;
  /** How strongly each IP-Adapter acts in this pass; by default as it was set for the network. */
  readonly ipAdapterScales?: readonly IPAdapterScale[] | undefined;
}

/** A call's image prompts: inputs of the UNet's graph, and what its layers make of them. */
export interface AppliedIPAdapters {
  /** Equal keys can use one session. */
  readonly key: string;
  readonly feeds: Readonly<Record<string, Tensor>>;
  /** The prompts of each layer, for the values of these feeds. */
  prompts(values: Readonly<Record<string, Value | undefined>>): ImagePrompts;
}

/** The UNet's levels [height, width] in a call, and the rows of its context. */
export interface IPAdapterCall {
  readonly rows: number;
  readonly levels: readonly (readonly [height: number, width: number])[];
}

/** An IP-Adapter that was opened for a UNet. */
export interface LoadedIPAdapter {
  /** Unique, also among adapters that were unloaded. */
  readonly id: number;
  readonly projection: IPAdapterImageProjectionModel;
  readonly layers: ReadonlyMap<string, ImageAttention>;
  scale: TransformerScales;
}

const NONE: AppliedIPAdapters = { key: "", feeds: {}, prompts: () => () => [] };

/** The IP-Adapters of a UNet (Ye et al. 2023). Matches what diffusers keeps in the UNet's attention processors and `encoder_hid_proj`. */
export class IPAdapters {
  private loaded: readonly LoadedIPAdapter[] = [];
  private lastId = 0;
  private foundLayers: readonly CrossAttention[] | undefined;
  private readonly masks = new MaskSizes();
  /** See {@link project}. */
  private readonly projected = new WeakMap<Tensor, { readonly settings: readonly unknown[]; readonly tokens: Tensor }>();

  constructor(
    private readonly unet: Weights,
    /** The engine of the UNet, its adapters and their image encoder. */
    readonly engine: Engine,
  ) {}

  /** Their number. */
  get count(): number {
    return this.loaded.length;
  }

  /** The projections; null without adapters. */
  get projections(): IPAdapterProjections | null {
    return this.count === 0 ? null : { imageProjectionLayers: this.loaded.map(({ projection }) => projection) };
  }

  /** Opens adapters for {@link use}. @throws CheckpointError if one is for another UNet. */
  open(files: readonly IPAdapterFile[]): readonly LoadedIPAdapter[] {
    const layers = this.layers;
    return files.map((file) => {
      const matched = matchIPAdapter(file, layers);
      return { id: ++this.lastId, layers: matched, projection: openImageProjection(file.projection, this.engine), scale: () => [1] };
    });
  }

  /** Replaces all adapters by these. */
  async use(adapters: readonly LoadedIPAdapter[]): Promise<void> {
    await this.unload();
    this.loaded = adapters;
  }

  /** Removes all adapters. */
  async unload(): Promise<void> {
    const { loaded } = this;
    this.loaded = [];
    for (const { projection } of loaded) await projection.dispose();
  }

  /**
   * Sets how strongly each adapter acts. @throws ArgumentError for another number of scales, or for a block that the UNet does not have.
   */
  setScales(scales: readonly IPAdapterScale[]): void {
    if (this.count === 0) throw new ArgumentError("no IP-Adapter is loaded", { hint: "load one first: loadIPAdapter(source, options)" });
    const expanded = this.expand(scales, this.transformers);
    for (const [i, adapter] of this.loaded.entries()) adapter.scale = expanded[i] ?? adapter.scale;
  }

  /** The inputs of one pass. @throws ArgumentError if they do not match the adapters. */
  async apply(
    { imageEmbeds, ipAdapterMasks, ipAdapterScales }: IPAdapterInputs,
    { rows, levels }: IPAdapterCall,
  ): Promise<AppliedIPAdapters> {
    const { loaded, count } = this;
    if (count === 0) {
      if (!imageEmbeds && !ipAdapterMasks) return NONE;
      throw new ArgumentError(`${imageEmbeds ? "embeddings of pictures" : "masks"} were given; this UNet has no IP-Adapter`, {
        argument: imageEmbeds ? "imageEmbeds" : "ipAdapterMasks",
        hint: "load one first: loadIPAdapter(source, options)",
      });
    }
    if (imageEmbeds?.length !== count) throw new ArgumentError(embedsExpected(imageEmbeds, count), { argument: "imageEmbeds" });
    if (ipAdapterMasks && ipAdapterMasks.length !== count) {
      throw new ArgumentError(
        `${counted(ipAdapterMasks.length, "mask was", "masks were")} given for ${counted(count, "IP-Adapter")}; expected a list with one or null for each`,
        {
          argument: "ipAdapterMasks",
        },
      );
    }
    const feeds: Record<string, Tensor> = {};
    const { transformers } = this;
    const scales = ipAdapterScales && this.expand(ipAdapterScales, transformers, "ipAdapterScale");
    for (const [i, adapter] of loaded.entries()) {
      const tokens = forRows(await this.project(adapter, imageEmbeds[i] as Tensor), rows);
      const mask = ipAdapterMasks?.[i] ?? undefined;
      const pictures = tokens.shape[1] ?? 0;
      if (mask) expectMask(mask, pictures);
      feeds[`ip_tokens_${i}`] = tokens;
      feeds[`ip_scales_${i}`] = scalesOf(scales?.[i] ?? adapter.scale, transformers, mask && pictures);
      for (const level of mask ? levels : []) feeds[maskName(i, level[0] * level[1])] = this.masks.at(mask as Tensor, level);
    }
    return {
      key: loaded.map(({ id }, i) => `, ip ${id}${ipAdapterMasks?.[i] ? " masked" : ""}`).join(""),
      feeds,
      prompts: (values) => this.promptsOf(loaded, transformers, values),
    };
  }

  private get layers(): readonly CrossAttention[] {
    this.foundLayers ??= crossAttentions(this.unet);
    return this.foundLayers;
  }

  /** The paths of the UNet's transformers. */
  private get transformers(): readonly string[] {
    return [...new Set(this.layers.map(({ transformer }) => transformer))];
  }

  private expand(scales: readonly IPAdapterScale[], transformers: readonly string[], argument = "scale"): readonly TransformerScales[] {
    if (scales.length === this.count) return scales.map((scale) => expandScale(scale, transformers, argument));
    throw new ArgumentError(
      `${counted(scales.length, "scale was", "scales were")} given for ${counted(this.count, "IP-Adapter")}; expected a list with one for each`,
      {
        argument,
      },
    );
  }

  private promptsOf(
    loaded: readonly LoadedIPAdapter[],
    transformers: readonly string[],
    values: Readonly<Record<string, Value | undefined>>,
  ): ImagePrompts {
    return (path) => {
      const position = transformers.findIndex((transformer) => path.startsWith(`${transformer}.`));
      return loaded.flatMap(({ layers }, i): ImagePrompt[] => {
        const layer = layers.get(path);
        if (!layer) return [];
        const [tokens, scales] = [values[`ip_tokens_${i}`], values[`ip_scales_${i}`]] as [Value, Value];
        const each = Array.from({ length: scales.shape[2] ?? 0 }, (_, picture) => scaleAt(scales, position, picture));
        const isMasked = Object.keys(values).some((name) => name.startsWith(maskName(i, "")));
        const mask = isMasked ? (queries: number) => values[maskName(i, queries)] as Value : undefined;
        return [{ tokens, ...layer, scales: each, mask }];
      });
    };
  }

  /**
   * The tokens [rows, pictures, tokens, width] of embeddings. They are made once: all steps of a call have the same embeddings.
   * @throws ArgumentError for embeddings of another shape.
   */
  private async project({ projection }: LoadedIPAdapter, embeds: Tensor): Promise<Tensor> {
    const known = this.projected.get(embeds);
    const { settings } = projection;
    if (known && known.settings.length === settings.length + 1 && [projection, ...settings].every((each, i) => each === known.settings[i]))
      return known.tokens;
    const tokens = await projectEmbeds(projection, embeds);
    this.projected.set(embeds, { settings: [projection, ...settings], tokens });
    return tokens;
  }
}

async function projectEmbeds(projection: IPAdapterImageProjectionModel, embeds: Tensor): Promise<Tensor> {
  const { imageEmbedDim } = projection.config;
  const [rows = 0, pictures = 0, ...rest] = embeds.shape;
  const axes = projection.takesHiddenStates ? 2 : 1;
  if (rest.length !== axes || rest.at(-1) !== imageEmbedDim) {
    const expected = ["rows", "pictures", ...(axes === 2 ? ["patches"] : []), imageEmbedDim].join(", ");
    throw new ArgumentError(`an IP-Adapter's embeddings are [${embeds.shape.join(", ")}]; this one expects [${expected}]`, {
      argument: "imageEmbeds",
      hint: "embeddings belong to the image encoder that the IP-Adapter was trained with",
    });
  }
  const tokens = await projection.forward(embeds.reshape([rows * pictures, ...rest]));
  return tokens.reshape([rows, pictures, ...tokens.shape.slice(1)]);
}

/** Tokens for each row of the context. Several rows of embeddings for one are further tokens of each picture, as in diffusers. */
function forRows(tokens: Tensor, rows: number): Tensor {
  const [found = 0, pictures = 0, count = 0, width = 0] = tokens.shape;
  if (found === rows) return tokens;
  const times = found / rows;
  if (!Number.isInteger(times)) {
    throw new ArgumentError(`an IP-Adapter's embeddings have ${found} rows; the text has ${rows}`, {
      argument: "imageEmbeds",
      hint: "with guidance, give a row for the negative prompt and then one for the prompt",
    });
  }
  return tokens
    .reshape([rows, times, pictures, count, width])
    .permute(0, 2, 1, 3, 4)
    .reshape([rows, pictures, times * count, width]);
}

/** [1, transformers, 1], or with masks [1, transformers, pictures]. */
function scalesOf(scale: TransformerScales, transformers: readonly string[], masked: number | undefined): Tensor {
  const width = masked ?? 1;
  const values = transformers.flatMap((transformer) => {
    const each = scale(transformer);
    if (each.length === 1) return Array.from({ length: width }, () => each[0] as number);
    if (masked === undefined) {
      throw new ArgumentError(`an IP-Adapter has a list of ${each.length} scales, which are for pictures with masks; no masks were given`, {
        argument: "ipAdapterMasks",
      });
    }
    if (each.length === masked) return each;
    throw new ArgumentError(`an IP-Adapter has ${each.length} scales for its pictures, and ${masked} masks; expected as many`, {
      argument: "ipAdapterMasks",
    });
  });
  return Tensor.from(values, [1, transformers.length, width]);
}

function scaleAt(scales: Value, transformer: number, picture: number): Value {
  const { graph } = scales;
  const [, , width = 1] = scales.shape;
  return graph.once(`${scales.name} at ${transformer} ${picture}`, () =>
    graph.node(
      "Slice",
      [
        scales,
        graph.integers([transformer, picture]),
        graph.integers([transformer + 1, Math.min(picture + 1, width)]),
        graph.integers([1, 2]),
      ],
      { shape: [1, 1, 1] },
    ),
  );
}

function maskName(adapter: number, queries: number | ""): string {
  return `ip_mask_${adapter}_${queries}`;
}

function embedsExpected(embeds: readonly Tensor[] | undefined, count: number): string {
  const found = embeds ? `${embeds.length} were given` : "none were given";
  return `this UNet has ${count === 1 ? "an IP-Adapter" : `${count} IP-Adapters`}, so it needs embeddings of pictures for ${count === 1 ? "it" : "each"}; ${found}`;
}

function expectMask(mask: Tensor, pictures: number): void {
  const [first, found] = mask.shape;
  if (mask.shape.length === 4 && first === 1 && found === pictures) return;
  throw new ArgumentError(
    `an IP-Adapter mask is [${mask.shape.join(", ")}]; expected [1, ${pictures}, height, width], a mask for each of its ${pictures} pictures`,
    { argument: "ipAdapterMasks" },
  );
}
