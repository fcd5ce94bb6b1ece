import { CheckpointError } from "../errors.js";
import type { DType } from "../tensor/dtype.js";
import { rowsOf, type StoredTensor } from "../tensor/stored-tensor.js";
import { type Shape, sizeOf } from "../tensor/tensor.js";
import type { Graph, Value } from "./graph.js";
import type { ImagePrompt, ImagePrompts } from "./image-prompt.js";
import type { LayerChange } from "./layer-change.js";

/** The tensors that a network is built from, by name. */
export interface WeightSource {
  /** Its name in errors, e.g. the part's folder. */
  readonly name: string;
  has(name: string): boolean;
  /** @throws CheckpointError if there is no such tensor. */
  get(name: string): StoredTensor;
}

/** The changes that adapters make to a network's layers, by the layers' paths. */
export interface LayerChanges {
  /** Changes that every run computes, each multiplied by its `weight` [1]. */
  added(path: string): readonly { readonly change: LayerChange; readonly weight: Value }[];
  /** Changes that are made once, when the graph is loaded. */
  fused(path: string): readonly FusedChange[];
}

/** A change of a layer that is made once. */
export interface FusedChange {
  readonly change: LayerChange;
  /** The adapter's weight: the change is multiplied by it. */
  readonly weight: number;
}

/** A place in a network's tree of weights: `w.at("down_blocks", 0, "resnets", 1)` is where that block's tensors are. */
export class Scope {
  constructor(
    readonly graph: Graph,
    private readonly source: WeightSource,
    private readonly path = "",
    private readonly changes?: LayerChanges,
    private readonly prompts?: ImagePrompts,
  ) {}

  /** A place below this one. */
  at(...names: readonly (string | number)[]): Scope {
    return new Scope(this.graph, this.source, [...(this.path ? [this.path] : []), ...names].join("."), this.changes, this.prompts);
  }

  /** The same place for a network in another graph. */
  in(graph: Graph): Scope {
    return new Scope(graph, this.source, this.path, this.changes, this.prompts);
  }

  /** The same place for a network whose attention layers have these image prompts. */
  with(prompts: ImagePrompts): Scope {
    return new Scope(this.graph, this.source, this.path, this.changes, prompts);
  }

  /** The path of this place. */
  get name(): string {
    return this.path;
  }

  /** Changes of this layer that every run computes. */
  get added(): ReturnType<LayerChanges["added"]> {
    return this.changes?.added(this.path) ?? [];
  }

  /** Changes of this layer that are made once. */
  get fused(): ReturnType<LayerChanges["fused"]> {
    return this.changes?.fused(this.path) ?? [];
  }

  /** What this attention layer attends to beside its context. */
  get imagePrompts(): readonly ImagePrompt[] {
    return this.prompts?.(this.path) ?? [];
  }

  /** Whether the layer `name` has weights here. */
  has(name: string): boolean {
    return this.source.has(this.resolve(`${name}.weight`));
  }

  /** Whether the layer has the tensor `name`. */
  hasTensor(name: string): boolean {
    return this.source.has(this.resolve(name));
  }

  /** The tensor's shape in the file. */
  shapeOf(name: string): Shape {
    return this.source.get(this.resolve(name)).shape;
  }

  /**
   * The tensor `name`, which must have `shape`. The value has the shape `as`, of the same size. With `dtype` it is float32 in
   * half-precision graphs, too.
   * @throws CheckpointError if its shape in the file is different.
   */
  tensor(name: string, shape: Shape, as: Shape = shape, dtype?: "float32"): Value {
    return this.graph.weight(this.expect(name, shape), as, dtype);
  }

  /** The rows `start` to `end` (excluded) of the tensor `name`: a part of its byte range. */
  rows(name: string, shape: Shape, start: number, end: number): Value {
    return this.graph.weight(rowsOf(this.expect(name, shape), start, end), [end - start, ...shape.slice(1)]);
  }

  /** The rows of the table `name`, which must have `shape`, at int64 `indices`. @throws CheckpointError if its shape is different. */
  lookup(name: string, shape: Shape, indices: Value): Value {
    return this.graph.lookup(this.expect(name, shape), shape, indices);
  }

  private expect(name: string, shape: Shape): StoredTensor {
    const full = this.resolve(name);
    const found = this.source.get(full);
    if (!FLOATS.includes(found.dtype)) {
      throw new CheckpointError(`${this.source.name}: tensor ${full} is ${found.dtype}; a weight must be ${FLOATS.join(", ")}`, {
        hint: "if the checkpoint is quantized, use its fp8, float16, bfloat16 or float32 file",
      });
    }
    if (!isSameShape(found.shape, shape)) {
      throw new CheckpointError(
        `${this.source.name}: tensor ${full} is [${found.shape.join(", ")}]; config.json asks for [${shape.join(", ")}]`,
        {
          hint: "config.json and the weights belong to different models; take both from the same checkpoint",
        },
      );
    }
    if (found.length === 0 || sizeOf(shape) === 0) throw new CheckpointError(`${this.source.name}: tensor ${full} is empty`);
    return found;
  }

  private resolve(name: string): string {
    return this.path ? `${this.path}.${name}` : name;
  }
}

/**
 * Whether two shapes are equal except for axes of extent 1 at their ends. In the original Stable Diffusion and files that are converted
 * from it, linear layers are 1x1 convolutions, and biases can have such axes, too.
 */
function isSameShape(a: Shape, b: Shape): boolean {
  return Array.from({ length: Math.max(a.length, b.length) }, (_, i) => (a[i] ?? 1) === (b[i] ?? 1)).every(Boolean);
}

const FLOATS: readonly DType[] = ["float32", "float16", "bfloat16", "float64", "float8_e4m3fn", "float8_e5m2"];
