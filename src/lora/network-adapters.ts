import type { Graph, Value } from "../graph/graph.js";
import type { LayerChange } from "../graph/layer-change.js";
import type { LayerChanges } from "../graph/scope.js";
import { Tensor } from "../tensor/tensor.js";
import { type AdapterWeight, blockOf, weightOf } from "./adapter-weight.js";

/** An adapter loaded into one network. */
interface Adapter {
  /** Tells it from another adapter that had its name. */
  readonly id: number;
  readonly name: string;
  /** How layers change, by their paths. */
  readonly layers: ReadonlyMap<string, LayerChange>;
  /** The blocks these layers lie in. */
  readonly blocks: readonly string[];
  readonly weight: AdapterWeight;
}

/** What a network's adapters come to for one run of it. */
export interface AppliedAdapters {
  /** Equal where one session serves: adapters may differ in their weights, not in number or in what is fused. */
  readonly key: string;
  /** The weights, by the names of the inputs that {@link AppliedAdapters.declare} declares. */
  readonly feeds: Readonly<Record<string, Tensor>>;
  /** Declares the adapters' weights as inputs of a graph, and says how its layers change. */
  declare(graph: Graph): LayerChanges;
}

/** The LoRA adapters of one network: which are loaded, which of them are active with what weight, and which are fused into its weights. */
export class NetworkAdapters {
  private loaded: readonly Adapter[] = [];
  private active: readonly string[] = [];
  private fused: readonly Adapter[] = [];
  private isEnabled = true;
  private lastId = 0;
  /** Tokens of the embeddings that came with adapters, by the adapters' names. */
  private readonly tokens = new Map<string, readonly string[]>();

  /** Names of the adapters that are loaded, those that brought embeddings alone included. */
  get names(): readonly string[] {
    return [...new Set([...this.loaded.map(({ name }) => name), ...this.tokens.keys()])];
  }

  /** Names of the adapters that are active, in the order they were named in. */
  get activeNames(): readonly string[] {
    return this.active;
  }

  /** Names of the adapters fused into the weights. */
  get fusedNames(): readonly string[] {
    return this.fused.map(({ name }) => name);
  }

  /** Names of the active adapters that are silent in some of their layers, because another adapter is fused there: see {@link apply}. */
  get silentNames(): readonly string[] {
    const { added, merged } = this.roles();
    const isSilent = ({ layers }: Adapter) => merged.some((other) => [...layers.keys()].some((path) => other.layers.has(path)));
    return added.filter(isSilent).map(({ name }) => name);
  }

  /** Loads an adapter and makes it the only active one, as PEFT does. */
  add(name: string, layers: ReadonlyMap<string, LayerChange>): void {
    const blocks = [...new Set([...layers.keys()].map(blockOf))];
    this.loaded = [...this.loaded, { id: ++this.lastId, name, layers, blocks, weight: { all: 1 } }];
    this.active = [name];
  }

  /** Remembers that an adapter brought embeddings with it, which `tokens` stand for. */
  addTokens(name: string, tokens: readonly string[]): void {
    this.tokens.set(name, tokens);
  }

  /** The tokens of the embeddings that came with these adapters. */
  tokensOf(names: readonly string[]): readonly string[] {
    return names.flatMap((name) => this.tokens.get(name) ?? []);
  }

  /** Makes these adapters the active ones. Names the network has no adapter of are remembered and of no effect. */
  activate(weights: ReadonlyMap<string, AdapterWeight>): void {
    this.active = [...weights.keys()];
    this.loaded = this.loaded.map((adapter) => ({ ...adapter, weight: weights.get(adapter.name) ?? adapter.weight }));
  }

  /** Forgets adapters; where no active one is left, the first of the others becomes active. What is fused stays. */
  delete(names: readonly string[]): void {
    this.loaded = this.loaded.filter(({ name }) => !names.includes(name));
    const active = this.active.filter((name) => !names.includes(name));
    this.active = active.length > 0 ? active : this.loaded.slice(0, 1).map(({ name }) => name);
    for (const name of names) this.tokens.delete(name);
  }

  /** Without their adapters, networks compute as the checkpoint has them; what was fused and is still loaded counts among the adapters. */
  setEnabled(isEnabled: boolean): void {
    this.isEnabled = isEnabled;
    const isLoaded = ({ id }: Adapter) => this.loaded.some((adapter) => adapter.id === id);
    if (!isEnabled) this.fused = this.fused.filter((adapter) => !isLoaded(adapter));
  }

  /** Adds adapters, the active ones where none are named, to the network's weights themselves. As in PEFT, `scale` counts for active ones only. */
  fuse(scale: number, names: readonly string[] = this.active): void {
    const isFused = ({ id }: Adapter) => this.fused.some((adapter) => adapter.id === id);
    const wanted = this.loaded.filter((adapter) => names.includes(adapter.name) && !isFused(adapter));
    const weightOf = ({ name, weight }: Adapter) => (this.active.includes(name) ? scaled(weight, scale) : weight);
    this.fused = [...this.fused, ...wanted.map((adapter) => ({ ...adapter, weight: weightOf(adapter) }))];
  }

  /** Takes all that was fused out of the weights again. */
  unfuse(): void {
    this.fused = [];
  }

  /** What a run has to reckon with now. */
  apply(): AppliedAdapters {
    const { fused } = this;
    const { added, merged } = this.roles();
    return {
      key: [
        ...added.map(({ id }) => `lora ${id}`),
        ...fused.map(
          (adapter) => `fused ${adapter.id} ${keyOf(adapter.weight)}${merged.some(({ id }) => id === adapter.id) ? "" : " unloaded"}`,
        ),
      ].join(", "),
      feeds: Object.fromEntries(
        added.flatMap((adapter) =>
          adapter.blocks.map((block) => [inputName(adapter, block), Tensor.from([weightOf(adapter.weight, block)])]),
        ),
      ),
      declare: (graph) => changes(graph, added, fused, (path) => merged.some(({ layers }) => layers.has(path))),
    };
  }

  /** Which adapters are computed beside the layers, and which of the loaded ones are fused. PEFT computes a layer from its weights alone while one of its adapters is fused. */
  private roles(): { readonly added: readonly Adapter[]; readonly merged: readonly Adapter[] } {
    const isFused = ({ id }: Adapter) => this.fused.some((adapter) => adapter.id === id);
    const added = this.isEnabled ? this.loaded.filter((adapter) => this.active.includes(adapter.name) && !isFused(adapter)) : [];
    return { added, merged: this.loaded.filter(isFused) };
  }
}

function changes(graph: Graph, added: readonly Adapter[], fused: readonly Adapter[], isMerged: (path: string) => boolean): LayerChanges {
  const weights = new Map<string, Value>();
  for (const adapter of added) {
    for (const block of adapter.blocks) {
      const name = inputName(adapter, block);
      weights.set(name, graph.input(name, "float32", [1]));
    }
  }
  return {
    added: (path) =>
      (isMerged(path) ? [] : added).flatMap((adapter) => {
        const change = adapter.layers.get(path);
        const weight = weights.get(inputName(adapter, blockOf(path)));
        return change && weight ? [{ change, weight }] : [];
      }),
    fused: (path) =>
      fused.flatMap((adapter) => {
        const change = adapter.layers.get(path);
        return change ? [{ change, weight: weightOf(adapter.weight, blockOf(path)) }] : [];
      }),
  };
}

function inputName({ id }: Adapter, block: string): string {
  return `lora ${id} ${block}`;
}

function scaled({ all, blocks }: AdapterWeight, factor: number): AdapterWeight {
  return { all: all * factor, ...(blocks && { blocks: new Map([...blocks].map(([block, weight]) => [block, weight * factor])) }) };
}

function keyOf({ all, blocks = new Map() }: AdapterWeight): string {
  return JSON.stringify([all, ...blocks]);
}
