import type * as v from "valibot";
import { createEngine } from "#platform";
import { camelCaseKeys, classOf, readJson } from "../checkpoint/config.js";
import type { JsonObject } from "../checkpoint/json.js";
import { openPart, PART_FIELDS, type PartOptions } from "../checkpoint/open-part.js";
import { refuseOtherQuantisation } from "../checkpoint/quantisation-config.js";
import { progressOf, SAVE_FIELDS, type SavePretrainedOptions, writeTo } from "../checkpoint/saving.js";
import { CHECKPOINT_HINT, parseConfig } from "../checkpoint/schema.js";
import { openWeights, type Weights } from "../checkpoint/weights.js";
import type { Library } from "../checkpoint/write-weights.js";
import { ConfigError } from "../errors.js";
import { withArticle, wrongArgument } from "../given.js";
import type { FinishedGraph } from "../graph/finished-graph.js";
import { type AttentionSlice, Graph, type Value } from "../graph/graph.js";
import { Scope } from "../graph/scope.js";
import { expectFile } from "../hub/find-source.js";
import { openCheckpoint } from "../hub/open-checkpoint.js";
import { type AppliedAdapters, NetworkAdapters } from "../lora/network-adapters.js";
import { checkOptions } from "../options/check-options.js";
import { type Fields, field, hasMethods } from "../options/fields.js";
import type { Folder } from "../platform/folder.js";
import type { OutputFolder } from "../platform/output-folder.js";
import { type CallQueue, callQueueOf } from "../runtime/call-queue.js";
import { DEVICE_FIELDS, type DeviceOptions, type Precision, type ResolvedDevice } from "../runtime/device.js";
import type { Engine } from "../runtime/engine.js";
import { expectMemory, largerThanMemory, type MemoryUse } from "../runtime/expect-memory.js";
import { ResultCache, type Results } from "../runtime/result-cache.js";
import { SessionCache } from "../runtime/session-cache.js";
import type { DType } from "../tensor/dtype.js";
import { Tensor } from "../tensor/tensor.js";
import { warn } from "../warnings.js";
import { type NetworkPolicy, networkPolicy } from "./network-policy.js";
import { gainsByQuantising, isQuantisable, quantisedWeights } from "./quantised-weights.js";
import { savedNetworkBytes, saveNetwork, saveNetworkConfig } from "./save-network.js";

/** Where a network's weights come from and where it runs. */
export interface ModelOptions extends DeviceOptions, PartOptions {
  /** An engine to share. Without one, the model starts its own, and stops it on `dispose`. */
  readonly engine?: Engine | undefined;
}

export const MODEL_FIELDS: Fields<ModelOptions> = {
  ...DEVICE_FIELDS,
  ...PART_FIELDS,
  engine: field<Engine>((value) => hasMethods(value, "load"), "an Engine"),
};

/** The parts that a network is made from. */
export interface ModelParts<Config> {
  readonly className: string;
  /** `config.json` as the checkpoint has it. */
  readonly json: JsonObject;
  readonly config: Config;
  readonly weights: Weights;
  readonly engine: Engine;
  readonly ownsEngine: boolean;
}

/** What a network's graph computes, by the outputs' names. Large networks are written in pieces, with turns for a page between them. */
type Written<Output extends string> = Readonly<Record<Output, Value>> | Promise<Readonly<Record<Output, Value>>>;

/** Sessions that a model keeps: guided and unguided batches of one size, and one more size. Each holds weights packed for its shapes. */
const SESSIONS_KEPT = 3;

/** Bytes of results that a model keeps for {@link Model.recall}: six prompts of T5 with 512 tokens, and hundreds of CLIP's. */
const RESULT_BYTES = 2 ** 26;

/**
 * A network of a checkpoint. Its graph is built from `config.json` for the shapes of each call, and stays loaded for the next call with the
 * same shapes. Call `dispose` to free its memory, or declare the network with `await using`.
 */
export abstract class Model<Config> implements AsyncDisposable {
  /** The checkpoint's `config.json` in camelCase, with diffusers' defaults filled in. */
  readonly config: Readonly<Config>;
  /** The names, shapes and places of its weights. */
  readonly weights: Weights;
  /** The class's name in the Python library. */
  readonly className: string;
  private readonly json: JsonObject;
  /** Its LoRA adapters. Pipelines add to them with `loadLoraWeights`. */
  readonly adapters = new NetworkAdapters();
  /** Where it runs. */
  protected readonly engine: Engine;
  private readonly ownsEngine: boolean;
  private attentionSlice: AttentionSlice | undefined;
  private readonly sessions: SessionCache;
  private readonly results = new ResultCache(RESULT_BYTES);
  /** Calls of {@link together} that go on. */
  private holders = 0;
  private hasLoaded = false;
  /** Whether one picture takes many runs, as with a denoising network. */
  protected readonly runsOften: boolean = false;
  /** Whether one run uses each weight for the many pixels of a picture, as in an autoencoder. */
  protected readonly coversPictures: boolean = false;
  /** Whether its numbers grow beyond half precision's largest. */
  protected get overflowsHalf(): boolean {
    return false;
  }

  /** The Python library that has the class. */
  protected readonly library: Library = "diffusers";
  /** The name of its architecture in `config.json` of transformers. */
  protected readonly modelType: string | undefined;

  constructor({ className, json, config, weights, engine, ownsEngine }: ModelParts<Config>) {
    this.className = className;
    this.json = json;
    this.config = config;
    this.weights = weights;
    this.engine = engine;
    this.ownsEngine = ownsEngine;
    this.sessions = new SessionCache(engine.lowMemory ? 1 : SESSIONS_KEPT);
  }

  /**
   * Computes attention in several steps of fewer heads, which needs less memory and more time. "auto" takes two steps, "max" one step for
   * each head, and a number is the number of heads for each step. With undefined, all heads are computed at once.
   * @throws ArgumentError for a number that is not whole or less than 1.
   */
  setAttentionSlice(slice: AttentionSlice | undefined): void {
    if (slice !== undefined && slice !== "auto" && slice !== "max" && !(Number.isInteger(slice) && slice >= 1)) {
      throw wrongArgument("slice", slice, '"auto", "max" or a whole number of heads, at least 1', { type: "number" });
    }
    this.attentionSlice = slice;
  }

  /** The device on which the network runs; with `device: "auto"`, the one that was picked. */
  get device(): ResolvedDevice {
    return this.engine.device;
  }

  /** Whether memory comes before speed. */
  protected get savesMemory(): boolean {
    return this.engine.lowMemory ?? false;
  }

  /** How closely it computes. It is "exact" if the device cannot compute as the option "fast" wants. */
  get precision(): Precision {
    return this.engine.precision ?? "exact";
  }

  /** The queue of pipelines' calls that use this network. Direct calls of the network (`forward`, `encode`, `decode`) do not wait in it. */
  get queue(): CallQueue {
    return callQueueOf(this.engine);
  }

  /** Frees the network's memory until it runs again. */
  async unload(): Promise<void> {
    await this.sessions.clear();
  }

  /** To be called when the network is not needed for now. If memory comes before speed, it frees its memory. */
  async rest(): Promise<void> {
    if (this.savesMemory && this.holders === 0) await this.unload();
  }

  /**
   * Does `work`, in which the network may run several times, and frees its memory afterwards only, if memory comes before speed.
   * @internal
   */
  async together<Result>(work: () => Promise<Result>): Promise<Result> {
    this.holders++;
    try {
      return await work();
    } finally {
      if (--this.holders === 0) await this.rest();
    }
  }

  /**
   * What `work` computes with this network from `inputs`; if it did so before, and nothing that changes the network was changed since, what
   * it computed then. `what` names the work and its options. The latest results are kept until `dispose`, up to 64 MiB.
   * @internal
   */
  recall<Own extends Results>(what: string, inputs: readonly Tensor<DType>[], work: () => Promise<Own>): Promise<Own> {
    const { key, feeds } = this.adapters.apply();
    const weights = Object.entries(feeds).map(([name, { data }]) => `${name} ${data}`);
    return this.results.recall([what, this.stateKey, `slice ${this.attentionSlice}`, key, ...weights].join(", "), inputs, work);
  }

  /** What was added to the network besides adapters. Equal keys compute the same. */
  protected get stateKey(): string {
    return "";
  }

  /** Frees the network's memory, and stops its thread unless other models share it. */
  async dispose(): Promise<void> {
    this.results.dispose();
    await this.sessions.dispose();
    if (this.ownsEngine) await this.engine.dispose();
  }

  /** As `dispose`, at the end of an `await using` block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  /**
   * Saves `config.json` and the weights into `folder`, as diffusers' `save_pretrained` does; `fromPretrained` and diffusers open it. The
   * folder appears whole or not at all. Weights are copied from the checkpoint in parts. Fused LoRAs are saved in the weights. A warning
   * names active LoRAs that are not fused, because they are not saved.
   * @throws ArgumentError for a wrong option; OutputError if the folder cannot be written, or if weights of the network would be replaced
   * by it; the signal's reason
   */
  async savePretrained(folder: string, options: SavePretrainedOptions = {}): Promise<void> {
    const checked = checkOptions(options, SAVE_FIELDS, { call: `${this.className}.savePretrained` });
    const { signal, onProgress, overwrite } = checked;
    await writeTo(folder, (output) => this.saveTo(output, checked), {
      signal,
      overwrite,
      onBytes: progressOf(this.savedBytes(checked), onProgress),
    });
  }

  /** Saves `config.json` into `folder`, without the weights. @throws OutputError if it cannot be written. */
  async saveConfig(folder: string): Promise<void> {
    await writeTo(folder, (output) => saveNetworkConfig(output, this.saved));
  }

  /** Writes the files of `savePretrained`. @internal */
  async saveTo(output: OutputFolder, options: SavePretrainedOptions): Promise<void> {
    await saveNetwork(output, this.saved, options);
  }

  /** Bytes of the weights that `savePretrained` writes. @internal */
  savedBytes({ dtype }: SavePretrainedOptions): number {
    return savedNetworkBytes(this.weights, dtype);
  }

  /** The name that the Python library gives to a tensor. */
  protected savedName(name: string): string {
    return name;
  }

  /** What another network that is made of this one needs. @internal */
  get parts(): Omit<ModelParts<Config>, "className" | "ownsEngine"> {
    const { json, config, weights, engine } = this;
    return { json, config, weights, engine };
  }

  private get saved() {
    const { className, json, config, library, modelType, weights, adapters, engine } = this;
    return { className, json, config, library, modelType, weights, adapters, engine, nameOf: (name: string) => this.savedName(name) };
  }

  /**
   * Runs the graph that `build` writes for `inputs` of these shapes. `part` tells the model's graphs apart. Inputs that are `lent` come
   * back among the results. `takingTurns` is the number of graphs that one loop runs in turn: as many stay loaded, even if memory comes
   * before speed.
   */
  protected async run<Inputs extends Readonly<Record<string, Tensor<DType>>>, Output extends string>(
    part: string,
    inputs: Inputs,
    build: (inputs: { readonly [Name in keyof Inputs]: Value }, w: Scope) => Written<Output>,
    { lent = [], takingTurns = 1 }: { readonly lent?: readonly string[]; readonly takingTurns?: number } = {},
  ): Promise<Readonly<Record<Output, Tensor>>> {
    const { attentionSlice } = this;
    const adapters = this.adapters.apply();
    const key = [
      part,
      `slice ${attentionSlice}`,
      adapters.key,
      ...Object.entries(inputs).map(([name, { dtype, shape }]) => `${name} ${dtype} [${shape}]`),
    ].join(", ");
    const load = async () => {
      const { graph, policy } = await this.write(inputs, build, adapters);
      if (!this.hasLoaded) this.warnOfReading();
      this.hasLoaded = true;
      return this.engine.load(graph, { ...policy.load, network: this.className });
    };
    const outputs = await this.sessions.use(key, load, (session) => session.run({ ...inputs, ...adapters.feeds }, lent), takingTurns);
    if (!this.runsOften) await this.rest();
    return outputs as Readonly<Record<Output, Tensor>>;
  }

  /**
   * Checks whether the runs of `call` fit into memory. Their graphs are written, and not loaded; their results are zeros. Nothing is
   * checked if `most` bytes, more than they can need, are there.
   * @throws MemoryError if one does not fit; what `call` throws
   * @internal
   */
  async expectRoom(most: number, call: (network: this) => Promise<unknown>): Promise<void> {
    if (most <= (this.engine.availableMemory?.() ?? most)) return;
    const run: Model<Config>["run"] = async (_, inputs, build) => {
      const { graph } = await this.write(inputs, build, this.adapters.apply());
      const { outputs } = graph.model;
      return Object.fromEntries(outputs.map(({ name, shape }) => [name, Tensor.zeros(shape)])) as never;
    };
    await call(Object.create(this, { run: { value: run } }) as this);
  }

  /** Writes the graph of a run. @throws MemoryError if it cannot fit into memory. */
  private async write<Inputs extends Readonly<Record<string, Tensor<DType>>>, Output extends string>(
    inputs: Inputs,
    build: (inputs: { readonly [Name in keyof Inputs]: Value }, w: Scope) => Written<Output>,
    adapters: AppliedAdapters,
  ): Promise<{ readonly graph: FinishedGraph; readonly policy: NetworkPolicy }> {
    const { runsOften, coversPictures, overflowsHalf, attentionSlice } = this;
    const { weightBytes } = this.memoryUse;
    const policy = networkPolicy(this.engine, { runsOften, coversPictures, overflowsHalf, weightBytes });
    const graph = new Graph({ ...policy.graph, attentionSlice });
    const values = Object.entries(inputs).map(([name, { dtype, shape }]) => [name, graph.input(name, dtype, shape)]);
    const outputs = await build(Object.fromEntries(values), new Scope(graph, this.weights, "", adapters.declare(graph)));
    for (const [name, value] of Object.entries<Value>(outputs)) graph.output(name, value);
    const finished = graph.finish();
    expectMemory(this.engine, finished, this.memoryUse);
    return { graph: finished, policy };
  }

  private warnOfReading(): void {
    const warning = largerThanMemory(this.engine, this.memoryUse);
    if (warning) warn(warning);
  }

  private get memoryUse(): MemoryUse {
    const { className: network, weights } = this;
    return { network, weightBytes: weights.bytes, isQuantisable: gainsByQuantising(network, weights) };
  }
}

/** How to open a network from a single file. `subfolder` is inside `config`. */
export type SingleFileModelOptions = Omit<ModelOptions, "variant">;

/**
 * The arguments for `fromPretrained` that open a network from the single file `path`. The file may hold other networks, too. `network` is
 * the subfolder that the network would have in a checkpoint.
 * @throws CheckpointError, ConfigError, HubError
 */
export async function singleFileModel(
  path: string,
  network: string,
  given: SingleFileModelOptions,
): Promise<[folder: Folder, options: ModelOptions]> {
  const file = await expectFile(path);
  const { variant: _, ...fields } = MODEL_FIELDS;
  const { subfolder, config, ...options } = checkOptions<SingleFileModelOptions>(given, fields, { call: "fromSingleFile" });
  // The revision belongs to the file, not to its configs.
  const configs =
    config === undefined ? undefined : await openCheckpoint(config, { ...options, revision: undefined, wanted: { kind: "configs" } });
  const own = subfolder ? configs?.open(subfolder) : configs;
  return [await openCheckpoint(file, { ...options, wanted: { kind: "network", network }, config: own }), options];
}

/**
 * Opens a model's folder: reads `config.json`, checks it with the class's schema and `check`, and finds the weights. `otherNames` are
 * further names that configs have for the class.
 * @throws CheckpointError, ConfigError, DeviceError
 */
export async function openModel<Schema extends v.GenericSchema>(
  className: string,
  schema: Schema,
  source: string | Folder,
  options: ModelOptions,
  check: (owner: string, config: v.InferOutput<Schema>) => void = () => {},
  otherNames: readonly string[] = [],
): Promise<ModelParts<v.InferOutput<Schema>>> {
  const { engine, device, deviceId, lowMemory, precision, quantize, onLoadProgress, ...from } = checkOptions(options, MODEL_FIELDS, {
    call: `${className}.fromPretrained`,
  });
  const folder = await openPart(source, from, "model", className);
  const written = await readJson(folder, "config.json");
  const json = camelCaseKeys(written);
  const found = classOf(json) ?? className;
  const owner = `${folder.name}/config.json`;
  if (found !== className && !otherNames.includes(found)) {
    throw new ConfigError(`${owner} is of class ${found}; expected ${className}`, {
      hint: `open it as ${found}, or name the folder of ${withArticle(className)}`,
    });
  }
  const config = parseConfig(owner, schema, json, CHECKPOINT_HINT);
  check(owner, config);
  refuseOtherQuantisation(owner, written);
  const opened = await openWeights(folder, { variant: from.variant });
  const quantisation = quantize ?? engine?.quantize;
  const weights = quantisation && isQuantisable(className) ? await quantisedWeights(opened, quantisation) : opened;
  const own = engine ?? (await createEngine({ device, deviceId, lowMemory, precision, quantize, onLoadProgress }));
  if (!engine) await own.settle?.();
  return { className, json: written, config, weights, engine: own, ownsEngine: !engine };
}
