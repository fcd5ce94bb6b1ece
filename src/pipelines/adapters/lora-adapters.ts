import * as v from "valibot";
import type { Folder } from "../../checkpoint/folder.js";
import { printable } from "../../checkpoint/json.js";
import type { TextualInversion } from "../../checkpoint/textual-inversion.js";
import { ArgumentError, CheckpointError } from "../../errors.js";
import { wrongArgument } from "../../given.js";
import { ADAPTER_FIELDS } from "../../hub/find-adapter.js";
import { findLora, type LoraSource } from "../../hub/find-lora.js";
import { type AdapterWeight, expectLoraWeight, finite, type LoraWeight, unetWeight } from "../../lora/adapter-weight.js";
import { type LeftOut, readLora } from "../../lora/lora-file.js";
import type { LoraPart } from "../../lora/lora-names.js";
import { type LoraTarget, matchLora } from "../../lora/match-lora.js";
import type { NetworkAdapters } from "../../lora/network-adapters.js";
import type { UNet2DConditionModel } from "../../models/unet-2d-condition.js";
import { checkOptions } from "../../options/check-options.js";
import { type Fields, field, names, oneOf, real, text, texts } from "../../options/fields.js";
import { warn } from "../../warnings.js";
import { DiffusionPipeline } from "../diffusion-pipeline.js";
import type { TextEncoder } from "../prompt/clip-text-encoders.js";
import { addedTokens, addTextualInversions, unloadTextualInversion } from "./textual-inversions.js";

/** A network that a LoRA may change, by the pipeline's property. */
export type LoraComponent = "unet" | "textEncoder" | "textEncoder2";

/** How a LoRA is loaded. */
export interface LoadLoraOptions extends LoraSource {
  /** The adapter's name; by default `default_0`, `default_1`, ... */
  readonly adapterName?: string | undefined;
}

const LOAD_FIELDS: Fields<LoadLoraOptions> = { ...ADAPTER_FIELDS, adapterName: text };

/** A LoRA that was loaded. */
export interface LoadedLora {
  /** The adapter's name. */
  readonly adapterName: string;
  /** Names of the file's tensors that are left out: they fit no layer of the pipeline, or Darkroom does not support their method. */
  readonly unmatched: readonly string[];
  /** The tokens of the embeddings inside the file, for prompts. */
  readonly tokens: readonly string[];
}

/** Options of `fuseLora`. */
export interface FuseLoraOptions {
  /** Factor of the active adapters' weights; 1 by default. An adapter that is fused but not active keeps its weight, as in PEFT. */
  readonly loraScale?: number | undefined;
  /** The active ones by default. */
  readonly adapterNames?: readonly string[] | undefined;
  /** All by default. */
  readonly components?: readonly LoraComponent[] | undefined;
}

const COMPONENT = oneOf<LoraComponent>("unet", "textEncoder", "textEncoder2");

const FUSE_FIELDS: Fields<FuseLoraOptions> = {
  loraScale: real(),
  adapterNames: names,
  components: field(
    (value) => Array.isArray(value) && value.every((each) => v.is(COMPONENT, each)),
    `a list of ${COMPONENT.expected.replace("one of ", "")}`,
  ),
};

/** As many names as a warning can hold; a LoRA for other networks has hundreds. */
const MOST_LISTED = 10;

const COMPONENTS: Readonly<Record<LoraPart, LoraComponent>> = { unet: "unet", text_encoder: "textEncoder", text_encoder_2: "textEncoder2" };

/**
 * A pipeline whose UNet and text encoders take LoRAs (Hu et al. 2021) and related adapters: LoCon, DoRA, LoHa, LoKr, GLoRA, (IA)^3, full differences and
 * trained norms, in the formats of kohya-ss, LyCORIS, OneTrainer, ComfyUI, diffusers and PEFT. Several adapters may be active at once. The checkpoint does
 * not change. Changing an adapter's weight costs nothing; loading or activating other adapters reloads the networks at their next run. A plain LoRA is
 * computed beside the layers; other methods change the layers' weights in every step, which takes time. `fuseLora` changes the weights once: steps then
 * take no extra time, but the changed weights need memory. Adapters belong to the networks: pipelines that share networks share their adapters.
 * Matches diffusers' LoraBaseMixin with PEFT, and LyCORIS.
 */
export abstract class LoraPipeline extends DiffusionPipeline {
  /** The denoising network, which LoRAs change. */
  abstract override unet: UNet2DConditionModel;

  /** The text encoders the prompt goes through, in their order. */
  protected abstract get textEncoders(): readonly TextEncoder[];

  /**
   * Loads a LoRA: a `.safetensors` file, a folder with one, or a hub id (`owner/name`). It becomes the only active adapter of the networks it changes,
   * as in diffusers; `setAdapters` activates several. Its matrices are read from the file when needed: do not delete the file. Embeddings inside the file
   * (`bundle_emb.<word>`) are loaded, too; the word works in prompts until the adapter is deleted. Tensors that cannot be applied are left out with a
   * warning.
   * @throws CheckpointError if it is not a LoRA, holds nothing that can be applied, or is for another family of checkpoints; ArgumentError if the name
   * is taken; HubError
   */
  async loadLoraWeights(source: string | Folder, options: LoadLoraOptions = {}): Promise<LoadedLora> {
    const { adapterName, ...from } = checkOptions(options, LOAD_FIELDS, { call: "loadLoraWeights", elsewhere: weightsOfLoras });
    const taken = this.loraNames;
    if (adapterName === "") throw new ArgumentError("adapterName is empty; give the adapter a name, or none", { argument: "adapterName" });
    if (adapterName !== undefined && taken.includes(adapterName)) {
      throw new ArgumentError(`there is an adapter ${adapterName} already; the names taken are ${taken.join(", ")}`, {
        argument: "adapterName",
        hint: "choose another adapterName, or delete that adapter first: deleteAdapters(name)",
      });
    }
    const { folder, path } = await findLora(source, from);
    const lora = await readLora(folder, path);
    const networks = this.loraNetworks;
    const { changes, leftOut } = matchLora(lora, networks);
    const { tokens, refused } = this.addBundled(lora.embeddings);
    if (changes.size === 0 && tokens.length === 0 && refused[0]?.error) throw refused[0].error;
    const all = [...leftOut, ...refused];
    for (const each of all) warn(`${lora.name}: ${sentenceOf(each, lora.name)}`);
    const name = adapterName ?? defaultName(this.loraNames);
    for (const [part, layers] of changes) networks.get(part)?.adapters.add(name, layers);
    for (const { model } of tokens.length > 0 ? this.textEncoders : []) model.adapters.addTokens(name, tokens);
    this.warnOfSilentAdapters();
    return { adapterName: name, unmatched: all.flatMap(({ tensors }) => tensors), tokens };
  }

  /**
   * Makes these adapters the active ones, each with its weight (1 where none is given): a number, or one for every network and, of the UNet, every
   * block. One weight may serve all. Takes effect at the next step; what is fused stays as it is.
   * @throws ArgumentError for a name that no adapter has, weights of another number, or a weight that makes no sense.
   */
  setAdapters(names: string | readonly string[], weights: LoraWeight | readonly (LoraWeight | undefined)[] = 1): void {
    const list = this.knownAdapters(names);
    for (const weight of [weights].flat()) expectLoraWeight(weight);
    const each = isList(weights) ? weights : list.map(() => weights);
    if (each.length !== list.length)
      throw new ArgumentError(`${each.length} weights were given for ${list.length} adapters; expected one, or one for each`, {
        argument: "weights",
      });
    const networks = [...this.loraNetworks];
    for (const weight of each) this.warnOfUnknownNetworks(weight);
    const resolved = networks.map(
      ([part, { weights: source }]) => new Map(list.map((name, i) => [name, weightFor(part, each[i] ?? 1, source.names())])),
    );
    for (const [i, [, { adapters }]] of networks.entries()) adapters.activate(resolved[i] ?? new Map());
    this.warnOfSilentAdapters();
  }

  /** Names of the active adapters. */
  getActiveAdapters(): string[] {
    return unique(this.adapters.flatMap(({ activeNames }) => activeNames));
  }

  /** Names of the adapters of every network that has any. */
  getListAdapters(): Partial<Record<LoraComponent, string[]>> {
    const listed = [...this.loraNetworks].filter(([, { adapters }]) => adapters.names.length > 0);
    return Object.fromEntries(listed.map(([part, { adapters }]) => [COMPONENTS[part], [...adapters.names]]));
  }

  /**
   * Forgets adapters. Where a network has no active one left, the first of its others becomes active, as in diffusers (where every layer chooses for
   * itself, so that several may become active in parts). What is fused stays fused.
   * @throws ArgumentError for a name that no adapter has.
   */
  deleteAdapters(names: string | readonly string[]): void {
    this.forget(this.knownAdapters(names));
  }

  /**
   * Adds adapters to the weights themselves, once, when the networks load anew at their next run: no step costs more than without them.
   * The changed weights are held in memory, as float32; the checkpoint's files do not change. As in PEFT, a layer with a fused adapter is computed without
   * the other adapters until `unfuseLora` or until the fused adapter is unloaded (a warning says so), and `loraScale` applies to active adapters only.
   * @throws ArgumentError for a name that no adapter has, or a network that the pipeline does not have.
   */
  fuseLora(options: FuseLoraOptions = {}): void {
    const { loraScale = 1, adapterNames, components } = checkOptions(options, FUSE_FIELDS, { call: "fuseLora" });
    const names = adapterNames && this.knownAdapters(adapterNames);
    for (const adapters of this.adaptersOf(components)) adapters.fuse(loraScale, names);
    this.warnOfSilentAdapters();
  }

  /** Takes all that was fused out of the weights again. Adapters have the weights they had before `fuseLora`; in diffusers its `loraScale` stays with them. */
  unfuseLora(options: Pick<FuseLoraOptions, "components"> = {}): void {
    const { components } = checkOptions<typeof options>(options, { components: FUSE_FIELDS.components }, { call: "unfuseLora" });
    for (const adapters of this.adaptersOf(components)) adapters.unfuse();
  }

  /** Forgets all adapters. What is fused stays fused. */
  unloadLoraWeights(): void {
    this.forget(this.loraNames);
  }

  /** The networks compute without their adapters, as the checkpoint has them, until `enableLora`. */
  disableLora(): void {
    for (const adapters of this.adapters) adapters.setEnabled(false);
  }

  /** With the active adapters again. */
  enableLora(): void {
    for (const adapters of this.adapters) adapters.setEnabled(true);
  }

  /** Names of the adapters that are fused into weights. */
  get fusedLoras(): readonly string[] {
    return unique(this.adapters.flatMap(({ fusedNames }) => fusedNames));
  }

  /** The networks, by their subfolders. */
  private get loraNetworks(): ReadonlyMap<LoraPart, LoraTarget & { readonly adapters: NetworkAdapters }> {
    const { weights, adapters } = this.unet;
    return new Map<LoraPart, LoraTarget & { readonly adapters: NetworkAdapters }>([
      ["unet", { weights, adapters }],
      ...this.textEncoders.map(({ name, model }) => [name, model] as const),
    ]);
  }

  /** Adds a LoRA's embeddings to the text encoders; returns those that cannot be added as `refused`. */
  private addBundled(embeddings: readonly TextualInversion[]): {
    readonly tokens: readonly string[];
    readonly refused: readonly LeftOut[];
  } {
    const tokens: string[] = [];
    const refused: LeftOut[] = [];
    for (const embedding of embeddings) {
      try {
        tokens.push(...addTextualInversions(this.textEncoders, [embedding]));
      } catch (error) {
        if (!(error instanceof CheckpointError || error instanceof ArgumentError)) throw error;
        refused.push({
          tensors: embedding.tables.map((table) => table.rows(0, 1).name),
          reason: "hold embeddings that cannot be added",
          error,
        });
      }
    }
    return { tokens, refused };
  }

  /** Removes adapters and the embeddings that came with them. */
  private forget(names: readonly string[]): void {
    const tokens = unique(this.textEncoders.flatMap(({ model }) => model.adapters.tokensOf(names)));
    const loaded = addedTokens(this.textEncoders);
    unloadTextualInversion(
      this.textEncoders,
      tokens.filter((token) => loaded.includes(token)),
    );
    for (const adapters of this.adapters) adapters.delete(names);
  }

  private get adapters(): NetworkAdapters[] {
    return [...this.loraNetworks.values()].map(({ adapters }) => adapters);
  }

  private get loraNames(): string[] {
    return unique(this.adapters.flatMap(({ names }) => names));
  }

  private adaptersOf(components: readonly LoraComponent[] | undefined): NetworkAdapters[] {
    const own = new Map([...this.loraNetworks].map(([part, { adapters }]) => [COMPONENTS[part], adapters]));
    return (components ?? [...own.keys()]).map((component) => {
      const adapters = own.get(component);
      if (adapters) return adapters;
      throw new ArgumentError(`components has ${component}; this pipeline's are ${[...own.keys()].join(", ")}`, {
        argument: "components",
      });
    });
  }

  private knownAdapters(names: string | readonly string[]): readonly string[] {
    if (!v.is(texts, names)) throw wrongArgument("names", names, "an adapter's name, or a list of names");
    const list = typeof names === "string" ? [names] : names;
    const known = this.loraNames;
    const unknown = list.find((name) => !known.includes(name));
    if (unknown === undefined) return list;
    throw new ArgumentError(`there is no adapter ${unknown}; ${known.length > 0 ? `there are ${known.join(", ")}` : "none is loaded"}`, {
      argument: "names",
      hint: "load it first: loadLoraWeights(path, { adapterName })",
    });
  }

  private warnOfSilentAdapters(): void {
    const silent = unique(this.adapters.flatMap(({ silentNames }) => silentNames));
    if (silent.length === 0) return;
    const fused = this.fusedLoras.join(", ");
    warn(
      `${silent.join(", ")}: active, but without effect in the layers that ${fused} is fused into; fuse it as well, or unload ${fused} first`,
    );
  }

  /** Warns about weights for networks that the pipeline does not have. They are ignored, as in diffusers. */
  private warnOfUnknownNetworks(weight: LoraWeight | undefined): void {
    if (typeof weight !== "object") return;
    const known = [...this.loraNetworks.keys()].map((part) => COMPONENTS[part]);
    const unknown = Object.keys(weight).filter((component) => !known.some((name) => name === component));
    if (unknown.length > 0) warn(`weights were given for ${unknown.join(", ")}; this pipeline's networks are ${known.join(", ")}`);
  }
}

/** The warning about tensors that are left out. */
function sentenceOf({ tensors, reason, error }: LeftOut, file: string): string {
  const more = tensors.length > MOST_LISTED ? ` and ${tensors.length - MOST_LISTED} more` : "";
  const names = tensors.slice(0, MOST_LISTED).map(printable).join(", ");
  const found = error ? `; ${error.message.replace(`${file}: `, "")}` : "";
  return `${tensors.length} of its tensors ${reason} and are left out: ${names}${more}${found}`;
}

/** The weight for one network; `names` are those of its tensors. */
function weightFor(part: LoraPart, weight: LoraWeight, names: readonly string[]): AdapterWeight {
  if (part === "unet") return unetWeight((typeof weight === "object" ? weight.unet : weight) ?? 1, names);
  const component = part === "text_encoder" ? "textEncoder" : "textEncoder2";
  return { all: finite(component, (typeof weight === "object" ? weight[component] : weight) ?? 1) };
}

/** A hint for options that other programs use for a LoRA's weight. */
function weightsOfLoras(option: string): string | undefined {
  return ["weight", "scale", "loraScale", "strength", "alpha"].includes(option)
    ? "a LoRA's weight is set by setAdapters(name, weight)"
    : undefined;
}

/** diffusers' names: the number of adapters there are, or the next number that is free. */
function defaultName(taken: readonly string[]): string {
  let number = taken.length;
  while (taken.includes(`default_${number}`)) number++;
  return `default_${number}`;
}

function isList(weights: LoraWeight | readonly (LoraWeight | undefined)[]): weights is readonly (LoraWeight | undefined)[] {
  return Array.isArray(weights);
}

function unique(names: readonly string[]): string[] {
  return [...new Set(names)];
}
