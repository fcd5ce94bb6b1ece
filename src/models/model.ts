import type * as v from "valibot";
import { createEngine, openFolder } from "#platform";
import { readConfig } from "../checkpoint/config.js";
import type { Folder } from "../checkpoint/folder.js";
import { parseConfig } from "../checkpoint/schema.js";
import { openWeights, type Weights } from "../checkpoint/weights.js";
import { ConfigError } from "../errors.js";
import { Graph, type Value } from "../graph/graph.js";
import { Scope } from "../graph/scope.js";
import type { DeviceOptions, Engine, ResolvedDevice, Session } from "../runtime/engine.js";
import type { DType } from "../tensor/dtype.js";
import type { Tensor } from "../tensor/tensor.js";

/** Where a network's weights come from and where it runs. */
export interface ModelOptions extends DeviceOptions {
  /** Folder of the part inside the checkpoint, e.g. "unet". */
  readonly subfolder?: string;
  /** Which weight files, e.g. "fp16"; the full ones are taken, with a warning, where the variant is missing. */
  readonly variant?: string;
  /** An engine to share; without one the model starts its own and stops it on `dispose`. */
  readonly engine?: Engine;
}

/** What a network is made from. */
export interface ModelParts<Config> {
  readonly config: Config;
  readonly weights: Weights;
  readonly engine: Engine;
  readonly ownsEngine: boolean;
}

/** Sessions a model keeps: guided and unguided batches of one size, and one size more. Each holds weights packed for its shapes. */
const SESSIONS_KEPT = 3;

/**
 * A network of a checkpoint. Its graph is built from `config.json` for the shapes of each call and kept loaded for the next
 * call of the same shapes. Call `dispose` (or declare it with `await using`) to free its memory.
 */
export abstract class Model<Config> implements AsyncDisposable {
  /** The checkpoint's `config.json` in camelCase, with diffusers' defaults filled in. */
  readonly config: Config;
  private readonly weights: Weights;
  private readonly engine: Engine;
  private readonly ownsEngine: boolean;
  private readonly sessions = new Map<string, Promise<Session>>();

  constructor({ config, weights, engine, ownsEngine }: ModelParts<Config>) {
    this.config = config;
    this.weights = weights;
    this.engine = engine;
    this.ownsEngine = ownsEngine;
  }

  /** Where the network runs. */
  get device(): ResolvedDevice {
    return this.engine.device;
  }

  /** Frees the network's memory; stops its thread unless other models share it. */
  async dispose(): Promise<void> {
    const sessions = await Promise.allSettled(this.sessions.values());
    this.sessions.clear();
    await Promise.all(sessions.map((session) => (session.status === "fulfilled" ? session.value.release() : undefined)));
    if (this.ownsEngine) await this.engine.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  /** Runs the graph that `build` writes for `inputs` of these shapes; `part` tells graphs of one model apart. */
  protected async run<Inputs extends Readonly<Record<string, Tensor<DType>>>, Output extends string>(
    part: string,
    inputs: Inputs,
    build: (inputs: { readonly [Name in keyof Inputs]: Value }, w: Scope) => Readonly<Record<Output, Value>>,
  ): Promise<Readonly<Record<Output, Tensor>>> {
    const key = [part, ...Object.entries(inputs).map(([name, { dtype, shape }]) => `${name} ${dtype} [${shape}]`)].join(", ");
    const session = await this.session(key, () => {
      const graph = new Graph();
      const values = Object.entries(inputs).map(([name, { dtype, shape }]) => [name, graph.input(name, dtype, shape)]);
      const outputs = build(Object.fromEntries(values), new Scope(graph, this.weights));
      for (const [name, value] of Object.entries<Value>(outputs)) graph.output(name, value);
      return this.engine.load(graph.encode());
    });
    return (await session.run(inputs)) as Readonly<Record<Output, Tensor>>;
  }

  private async session(key: string, load: () => Promise<Session>): Promise<Session> {
    const known = this.sessions.get(key);
    const session = known ?? load();
    // Deleted and set again, so that the map's first entry is the one used longest ago.
    this.sessions.delete(key);
    this.sessions.set(key, session);
    session.catch(() => this.sessions.delete(key));
    if (this.sessions.size > SESSIONS_KEPT) {
      const [oldest] = this.sessions;
      if (oldest) {
        this.sessions.delete(oldest[0]);
        const released = await oldest[1];
        await released.release();
      }
    }
    return session;
  }
}

/**
 * Reads a model's folder: `config.json` against the class's schema, and where its weights lie.
 * @throws CheckpointError, ConfigError, DeviceError
 */
export async function openModel<Schema extends v.GenericSchema>(
  className: string,
  schema: Schema,
  source: string | Folder,
  { subfolder, variant, engine, ...device }: ModelOptions,
): Promise<ModelParts<v.InferOutput<Schema>>> {
  const root = typeof source === "string" ? openFolder(source) : source;
  const folder = subfolder ? root.open(subfolder) : root;
  const json = await readConfig(folder, "config.json");
  const [found = className] = [json._className, ...(Array.isArray(json.architectures) ? json.architectures : [])].filter(
    (name) => typeof name === "string",
  );
  if (found !== className) {
    throw new ConfigError(`${folder.name}/config.json is of class ${found}; ${className} was asked for`, {
      hint: `open it as ${found}, or name the folder of a ${className}`,
    });
  }
  const config = parseConfig(`${folder.name}/config.json`, schema, json);
  const weights = await openWeights(folder, { variant });
  return { config, weights, engine: engine ?? (await createEngine(device)), ownsEngine: !engine };
}
