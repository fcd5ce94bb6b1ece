import * as v from "valibot";
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
import { NetworkAdapters } from "../../lora/network-adapters.js";
import { checkOptions } from "../../options/check-options.js";
import { type Fields, field, names, oneOf, real, text, texts } from "../../options/fields.js";
import type { Folder } from "../../platform/folder.js";
import { warn } from "../../warnings.js";
import type { TextualInversions } from "./textual-inversions.js";

/** A network that a LoRA may change, by the pipeline's property. */
export type LoraComponent = "unet" | "transformer" | "textEncoder" | "textEncoder2" | "textEncoder3";

/** Options of `loadLoraWeights`. */
export interface LoadLoraOptions extends LoraSource {
  /** The adapter's name; by default `default_0`, `default_1`, ... */
  readonly adapterName?: string | undefined;
}

const LOAD_FIELDS: Fields<LoadLoraOptions> = { ...ADAPTER_FIELDS, adapterName: text };

/** The result of `loadLoraWeights`. */
export interface LoadedLora {
  /** The adapter's name. */
  readonly adapterName: string;
  /** Names of the file's tensors that are not used: they fit no layer of the pipeline, or Darkroom does not support their method. */
  readonly unmatched: readonly string[];
  /** The tokens of the embeddings inside the file, for prompts. */
  readonly tokens: readonly string[];
}

/** Options of `fuseLora`. */
export interface FuseLoraOptions {
  /** Factor of the active adapters' weights; 1 by default. An adapter that is fused but not active keeps its weight, as in PEFT. */
  readonly loraScale?: number | undefined;
  /** Names of the adapters; those of the active ones by default. */
  readonly adapterNames?: readonly string[] | undefined;
  /** The networks to fuse adapters into; all by default. */
  readonly components?: readonly LoraComponent[] | undefined;
}

const COMPONENT = oneOf<LoraComponent>("unet", "transformer", "textEncoder", "textEncoder2", "textEncoder3");

const FUSE_FIELDS: Fields<FuseLoraOptions> = {
  loraScale: real(),
  adapterNames: names,
  components: field(
    (value) => Array.isArray(value) && value.every((each) => v.is(COMPONENT, each)),
    `a list of ${COMPONENT.expected.replace("one of ", "")}`,
  ),
};

/** The most names in a warning. A LoRA for other networks has hundreds of tensors. */
const MOST_LISTED = 10;

const COMPONENTS: Readonly<Record<LoraPart, LoraComponent>> = {
  unet: "unet",
  transformer: "transformer",
  text_encoder: "textEncoder",
  text_encoder_2: "textEncoder2",
  text_encoder_3: "textEncoder3",
};

/** A network that a LoRA may change: its weights, and the adapters loaded into it. */
export interface LoraNetwork extends LoraTarget {
  readonly adapters: NetworkAdapters;
}

/** A pipeline's networks that a LoRA may change, by their subfolders. */
export type LoraNetworks = ReadonlyMap<LoraPart, LoraNetwork>;

/** The parts of a pipeline that a LoRA may change: networks with adapters, among the denoiser and the text encoders. */
export function loraNetworksOf(components: object): LoraNetworks {
  const own = components as Readonly<Partial<Record<LoraComponent, Partial<LoraNetwork> | null>>>;
  const parts = Object.entries(COMPONENTS) as [LoraPart, LoraComponent][];
  return new Map(
    parts.flatMap(([part, name]) => (own[name]?.adapters instanceof NetworkAdapters ? [[part, own[name] as LoraNetwork]] : [])),
  );
}

/**
 * The LoRAs of a pipeline. The networks keep their adapters, so pipelines that share networks share adapters. The pipeline documents the
 * methods under the names in their comments.
 * Matches diffusers' LoraBaseMixin with PEFT, and LyCORIS.
 */
export class LoraAdapters {
  constructor(
    private readonly networks: LoraNetworks,
    /** Takes the embeddings inside a LoRA's file. */
    private readonly embeddings: TextualInversions,
  ) {}

  /** `loadLoraWeights` */
  async load(source: string | Folder, options: LoadLoraOptions): Promise<LoadedLora> {
    const { adapterName, ...from } = checkOptions(options, LOAD_FIELDS, { call: "loadLoraWeights", elsewhere: weightsOfLoras });
    if (this.networks.size === 0) throw new ArgumentError("this pipeline has no network that a LoRA can change");
    this.expectNewName(adapterName);
    const { folder, path } = await findLora(source, from);
    const lora = await readLora(folder, path);
    const { changes, leftOut } = matchLora(lora, this.networks);
    const { tokens, refused } = this.addBundled(lora.embeddings);
    if (changes.size === 0 && tokens.length === 0 && refused[0]?.error) throw refused[0].error;
    const all = [...leftOut, ...refused];
    for (const each of all) warn(`${lora.name}: ${sentenceOf(each, lora.name)}`);
    const name = adapterName ?? defaultName(this.names);
    for (const [part, layers] of changes) this.networks.get(part)?.adapters.add(name, layers);
    if (tokens.length > 0) this.embeddings.recordAdapter(name, tokens);
    this.warnOfSilentAdapters();
    return { adapterName: name, unmatched: all.flatMap(({ tensors }) => tensors), tokens };
  }

  /** `setAdapters` */
  activate(names: string | readonly string[], weights: LoraWeight | readonly (LoraWeight | undefined)[]): void {
    const list = this.known(names);
    for (const weight of [weights].flat()) expectLoraWeight(weight);
    const each = isList(weights) ? weights : list.map(() => weights);
    if (each.length !== list.length)
      throw new ArgumentError(`${each.length} weights were given for ${list.length} adapters; expected one, or one for each`, {
        argument: "weights",
      });
    const networks = [...this.networks];
    for (const weight of each) this.warnOfUnknownNetworks(weight);
    const resolved = networks.map(
      ([part, { weights: source }]) => new Map(list.map((name, i) => [name, weightFor(part, each[i] ?? 1, source.names())])),
    );
    for (const [i, [, { adapters }]] of networks.entries()) adapters.activate(resolved[i] ?? new Map());
    this.warnOfSilentAdapters();
  }

  /** `deleteAdapters` */
  delete(names: string | readonly string[]): void {
    this.forget(this.known(names));
  }

  /** `unloadLoraWeights` */
  deleteAll(): void {
    this.forget(this.names);
  }

  /** `fuseLora` */
  fuse(options: FuseLoraOptions): void {
    const { loraScale = 1, adapterNames, components } = checkOptions(options, FUSE_FIELDS, { call: "fuseLora" });
    const names = adapterNames && this.known(adapterNames);
    for (const adapters of this.adaptersOf(components)) adapters.fuse(loraScale, names);
    this.warnOfSilentAdapters();
  }

  /** `unfuseLora` */
  unfuse(options: Pick<FuseLoraOptions, "components">): void {
    const { components } = checkOptions<typeof options>(options, { components: FUSE_FIELDS.components }, { call: "unfuseLora" });
    for (const adapters of this.adaptersOf(components)) adapters.unfuse();
  }

  /** `enableLora`, `disableLora` */
  setEnabled(isEnabled: boolean): void {
    for (const adapters of this.adapters) adapters.setEnabled(isEnabled);
  }

  /** Names of all loaded adapters. */
  get names(): string[] {
    return unique(this.adapters.flatMap(({ names }) => names));
  }

  /** Names of the active adapters. */
  get activeNames(): string[] {
    return unique(this.adapters.flatMap(({ activeNames }) => activeNames));
  }

  /** Names of the adapters that are fused into weights. */
  get fusedNames(): string[] {
    return unique(this.adapters.flatMap(({ fusedNames }) => fusedNames));
  }

  /** Names of the adapters of every network that has any. */
  get namesByComponent(): Partial<Record<LoraComponent, string[]>> {
    const listed = [...this.networks].filter(([, { adapters }]) => adapters.names.length > 0);
    return Object.fromEntries(listed.map(([part, { adapters }]) => [COMPONENTS[part], [...adapters.names]]));
  }

  private get adapters(): NetworkAdapters[] {
    return [...this.networks.values()].map(({ adapters }) => adapters);
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
        tokens.push(...this.embeddings.add([embedding]));
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
    this.embeddings.removeOfAdapters(names);
    for (const adapters of this.adapters) adapters.delete(names);
  }

  private adaptersOf(components: readonly LoraComponent[] | undefined): NetworkAdapters[] {
    const own = new Map([...this.networks].map(([part, { adapters }]) => [COMPONENTS[part], adapters]));
    return (components ?? [...own.keys()]).map((component) => {
      const adapters = own.get(component);
      if (adapters) return adapters;
      throw new ArgumentError(`components has ${component}; this pipeline's are ${[...own.keys()].join(", ")}`, {
        argument: "components",
      });
    });
  }

  private expectNewName(name: string | undefined): void {
    if (name === "") throw new ArgumentError("adapterName is empty; give the adapter a name, or none", { argument: "adapterName" });
    const taken = this.names;
    if (name === undefined || !taken.includes(name)) return;
    throw new ArgumentError(`there is an adapter ${name} already; the names taken are ${taken.join(", ")}`, {
      argument: "adapterName",
      hint: "choose another adapterName, or delete that adapter first: deleteAdapters(name)",
    });
  }

  private known(names: string | readonly string[]): readonly string[] {
    if (!v.is(texts, names)) throw wrongArgument("names", names, "an adapter's name, or a list of names");
    const list = typeof names === "string" ? [names] : names;
    const known = this.names;
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
    const fused = this.fusedNames.join(", ");
    warn(
      `${silent.join(", ")}: active, but without effect in the layers that ${fused} is fused into; fuse it as well, or unload ${fused} first`,
    );
  }

  /** Warns about weights for networks that the pipeline does not have. They are ignored, as in diffusers. */
  private warnOfUnknownNetworks(weight: LoraWeight | undefined): void {
    if (typeof weight !== "object") return;
    const known = [...this.networks.keys()].map((part) => COMPONENTS[part]);
    const unknown = Object.keys(weight).filter((component) => !known.some((name) => name === component));
    if (unknown.length > 0) warn(`weights were given for ${unknown.join(", ")}; this pipeline's networks are ${known.join(", ")}`);
  }
}

/** The warning about tensors that are left out. */
function sentenceOf({ tensors, reason, error }: LeftOut, file: string): string {
  const more = tensors.length > MOST_LISTED ? ` and ${tensors.length - MOST_LISTED} more` : "";
  const names = tensors.slice(0, MOST_LISTED).map(printable).join(", ");
  const found = error ? `; ${error.message.replace(`${file}: `, "")}` : "";
  return `tensors that ${reason} are left out (${tensors.length}): ${names}${more}${found}`;
}

/** The weight for one network; `names` are those of its tensors. */
function weightFor(part: LoraPart, weight: LoraWeight, names: readonly string[]): AdapterWeight {
  if (part === "unet") return unetWeight((typeof weight === "object" ? weight.unet : weight) ?? 1, names);
  const component = COMPONENTS[part] as Exclude<LoraComponent, "unet">;
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
