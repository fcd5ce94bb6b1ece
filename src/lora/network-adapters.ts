import type { Graph, Value } from "../graph/graph.js";
import type { LayerChange } from "../graph/layer-change.js";
import type { FusedChange, LayerChanges } from "../graph/scope.js";
import { Tensor } from "../tensor/tensor.js";
import { type AdapterWeight, blockOf, weightOf } from "./adapter-weight.js";

/** An adapter loaded into one network. */
interface Adapter {
  /** Unique, also among earlier adapters with the same name. */
  readonly id: number;
  readonly name: string;
  /** How layers change, by their paths. */
  readonly layers: ReadonlyMap<string, LayerChange>;
  /** The blocks of these layers. */
  readonly blocks: readonly string[];
  readonly weight: AdapterWeight;
}

/** A network's adapters for one run. */
export interface AppliedAdapters {
  /** Equal keys can use one session: adapters may differ in their weights, but not in number or in what is fused. */
  readonly key: string;
  /** The weights, by the names of the inputs that {@link AppliedAdapters.declare} declares. */
  readonly feeds: Readonly<Record<string, Tensor>>;
  /** Declares the adapters' weights as inputs of a graph, and returns the changes of its layers. */
  declare(graph: Graph): LayerChanges;
}

/** The LoRA adapters of one network: the loaded ones, the active ones with their weights, and those fused into the network's weights. */
export class NetworkAdapters {
  private loaded: readonly Adapter[] = [];
  private active: readonly string[] = [];
  private fused: readonly Adapter[] = [];
  private isEnabled = true;
  private lastId = 0;
  /** Tokens of the embeddings that came with adapters, by the adapters' names. */
  private readonly tokens = new Map<string, readonly string[]>();

  /** Names of the loaded adapters, including those with embeddings only. */
  get names(): readonly string[] {
    return [...new Set([...this.loaded.map(({ name }) => name), ...this.tokens.keys()])];
  }

  /** Names of the active adapters, in the caller's order. */
  get activeNames(): readonly string[] {
    return this.active;
  }

  /** Names of the adapters fused into the weights. */
  get fusedNames(): readonly string[] {
    return this.fused.map(({ name }) => name);
  }

  /** Names of the active adapters without effect in some of their layers, because another adapter is fused there. */
  get silentNames(): readonly string[] {
    const { added, merged } = this.roles();
    const isSilent = ({ layers }: Adapter) => merged.some((other) => [...layers.keys()].some((path) => other.layers.has(path)));
    return added.filter(isSilent).map(({ name }) => name);
  }

  /** Names of the active adapters that are not fused. */
  get unfusedNames(): readonly string[] {
    return this.roles().added.map(({ name }) => name);
  }

  /** Paths of the layers with fused changes. */
  get fusedPaths(): readonly string[] {
    return [...new Set(this.fused.flatMap(({ layers }) => [...layers.keys()]))];
  }

  /** The fused changes of the layer at `path`. @internal */
  fusedIn(path: string): readonly FusedChange[] {
    return fusedChanges(this.fused, path);
  }

  /** How an adapter changes the layers, by their paths; undefined if it is not loaded or changes none. */
  changesOf(name: string): ReadonlyMap<string, LayerChange> | undefined {
    return this.loaded.find((adapter) => adapter.name === name)?.layers;
  }

  /** Loads an adapter and makes it the only active one, as PEFT does. */
  add(name: string, layers: ReadonlyMap<string, LayerChange>): void {
    const blocks = [...new Set([...layers.keys()].map(blockOf))];
    this.loaded = [...this.loaded, { id: ++this.lastId, name, layers, blocks, weight: { all: 1 } }];
    this.active = [name];
  }

  /** Records the tokens of the embeddings that came with an adapter. */
  addTokens(name: string, tokens: readonly string[]): void {
    this.tokens.set(name, tokens);
  }

  /** The tokens of the embeddings that came with these adapters. */
  tokensOf(names: readonly string[]): readonly string[] {
    return names.flatMap((name) => this.tokens.get(name) ?? []);
  }

  /** Makes these adapters the active ones. Names without an adapter in this network have no effect. */
  activate(weights: ReadonlyMap<string, AdapterWeight>): void {
    this.active = [...weights.keys()];
    this.loaded = this.loaded.map((adapter) => ({ ...adapter, weight: weights.get(adapter.name) ?? adapter.weight }));
  }

  /** Removes adapters. If no active one is left, the first of the others becomes active. Fused ones stay fused. */
  delete(names: readonly string[]): void {
    this.loaded = this.loaded.filter(({ name }) => !names.includes(name));
    const active = this.active.filter((name) => !names.includes(name));
    this.active = active.length > 0 ? active : this.loaded.slice(0, 1).map(({ name }) => name);
    for (const name of names) this.tokens.delete(name);
  }

  /** Turns adapters on or off. Turning them off also removes fused adapters that are still loaded. */
  setEnabled(isEnabled: boolean): void {
    this.isEnabled = isEnabled;
    const isLoaded = ({ id }: Adapter) => this.loaded.some((adapter) => adapter.id === id);
    if (!isEnabled) this.fused = this.fused.filter((adapter) => !isLoaded(adapter));
  }

  /** Adds adapters (by default the active ones) to the network's weights. As in PEFT, `scale` applies to active ones only. */
  fuse(scale: number, names: readonly string[] = this.active): void {
    const isFused = ({ id }: Adapter) => this.fused.some((adapter) => adapter.id === id);
    const wanted = this.loaded.filter((adapter) => names.includes(adapter.name) && !isFused(adapter));
    const weightOf = ({ name, weight }: Adapter) => (this.active.includes(name) ? scaled(weight, scale) : weight);
    this.fused = [...this.fused, ...wanted.map((adapter) => ({ ...adapter, weight: weightOf(adapter) }))];
  }

  /** Removes all fused adapters from the weights. */
  unfuse(): void {
    this.fused = [];
  }

  /** The adapters for the next run. */
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

  /**
   * The adapters that every run computes (`added`), and the loaded ones that are fused (`merged`). While one of a layer's adapters is
   * merged, the layer is computed without the added ones, as in PEFT.
   */
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
    fused: (path) => fusedChanges(fused, path),
  };
}

function fusedChanges(fused: readonly Adapter[], path: string): readonly FusedChange[] {
  return fused.flatMap((adapter) => {
    const change = adapter.layers.get(path);
    return change ? [{ change, weight: weightOf(adapter.weight, blockOf(path)) }] : [];
  });
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
