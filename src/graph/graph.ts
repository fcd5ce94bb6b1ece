import { ArgumentError } from "../errors.js";
import type { DType } from "../tensor/dtype.js";
import { type Shape, sizeOf } from "../tensor/tensor.js";
import { type Attribute, encodeModel, type OnnxInitializer, type OnnxNode, type OnnxPort } from "./onnx.js";

/** A tensor that will exist when the graph runs; its dtype and shape are known while it is built. */
export interface Value {
  readonly graph: Graph;
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape;
  /** The same picture [batch, channels, height, width] in bands of rows, from top to bottom, where it was made so; what uses only them saves putting it together. */
  readonly bands?: readonly Value[];
}

/** Where in which file a weight's bytes lie. */
export interface WeightBytes {
  readonly name: string;
  readonly dtype: DType;
  /** Absolute path, symbolic links resolved. */
  readonly file: string;
  /** Bytes from the start of the file. */
  readonly offset: number;
  readonly length: number;
  /** Whether they are those of the matrix's transpose. */
  readonly transposed?: boolean;
}

/** What a node's result is, and how it is made. */
export interface NodeOptions {
  readonly shape: Shape;
  readonly dtype?: DType;
  readonly domain?: "" | "com.microsoft";
  readonly attributes?: Readonly<Record<string, Attribute>>;
}

/** How many attention heads are computed at once: half of them, one, or that many; all where nothing is said. */
export type AttentionSlice = "auto" | "max" | number;

/** What a graph can be written for. */
export type Target = "cpu" | "webgpu" | "cuda" | "coreml" | "dml";

/** How a network is written. */
export interface GraphOptions {
  /** Where it will run; some operations are written differently there. The CPU by default. */
  readonly target?: Target;
  /** Computes attention in steps of fewer heads, which needs less memory and more time. */
  readonly attentionSlice?: AttentionSlice;
}

/** A graph as ONNX Runtime takes it. */
export interface EncodedGraph {
  /** The `.onnx` model. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The folder its weights' locations are relative to. */
  readonly root: string;
  /** How many numbers the largest of its intermediate results has. */
  readonly largestValue?: number;
  /** What is computed once, when the graph is loaded, and fed to every run; one after another, to bound the memory. */
  readonly preparations?: readonly Preparation[];
}

/** A graph without inputs; its outputs are inputs of another. */
export interface Preparation {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly root: string;
  readonly outputs: readonly OnnxPort[];
}

/** Numbers that are prepared together. */
const LARGEST_PREPARATION = 2 ** 24;

/** A network being written down as an ONNX graph whose weights stay in the checkpoint's files. */
export class Graph {
  private readonly nodes: OnnxNode[] = [];
  /**
   * Half-precision weights made float32, in every run anew: 2 % of a step of Stable Diffusion 1.5, where widening them at load takes 17 s and twice the
   * memory. They stand before all other nodes, for then the runtime's order brings each right before its use (else many are held at once).
   */
  private readonly widenings: OnnxNode[] = [];
  private readonly initializers: OnnxInitializer[] = [];
  private readonly inputs: OnnxPort[] = [];
  private readonly outputs: OnnxPort[] = [];
  private readonly shared = new Map<string, Value>();
  /** How another graph has the same weights, by the names of the values that stand for them here. */
  private readonly weights = new Map<string, (graph: Graph) => Value>();
  /** Where the weights lie that are as their files have them, be it in half precision, by the names of the values that stand for them. */
  private readonly stored = new Map<string, WeightBytes>();
  /** See {@link transposeOf}. */
  private readonly transposes = new Map<string, Value>();
  private readonly preparations: Graph[] = [];
  private largestValue = 0;
  private count = 0;

  constructor(
    private readonly options: GraphOptions = {},
    /** Sets the names of this graph's values apart from another's. */
    private readonly prefix = "",
  ) {}

  /** Where the graph will run. */
  get target(): Target {
    return this.options.target ?? "cpu";
  }

  /** Of `heads` attention heads, how many are computed at once. */
  headsAtOnce(heads: number): number {
    const { attentionSlice } = this.options;
    if (attentionSlice === undefined) return heads;
    const wanted = attentionSlice === "auto" ? Math.ceil(heads / 2) : attentionSlice === "max" ? 1 : attentionSlice;
    return Math.min(wanted, heads);
  }

  /** Declares an input that every run must feed. */
  input(name: string, dtype: DType, shape: Shape): Value {
    this.inputs.push({ name, dtype, shape });
    return { graph: this, name, dtype, shape };
  }

  /** Declares `value` a result of the graph, under `name`. */
  output(name: string, value: Value): void {
    this.nodes.push({ op: "Identity", domain: "", inputs: [value.name], outputs: [name], attributes: {} });
    this.outputs.push({ name, dtype: value.dtype, shape: value.shape });
  }

  /** Adds an operation with one result; `undefined` among the inputs is an optional one left out. */
  node(op: string, inputs: readonly (Value | undefined)[], { shape, dtype = "float32", domain = "", attributes = {} }: NodeOptions): Value {
    const name = `${this.prefix}v${this.count++}`;
    // Optional inputs at the end are left out, not left empty: the WebGPU provider takes an empty one for a value.
    const given = inputs.slice(0, inputs.findLastIndex((input) => input !== undefined) + 1);
    this.largestValue = Math.max(this.largestValue, sizeOf(shape));
    this.nodes.push({ op, domain, inputs: given.map((input) => input?.name ?? ""), outputs: [name], attributes });
    return { graph: this, name, dtype, shape };
  }

  /** A float32 constant. Equal constants are written once. */
  constant(values: ArrayLike<number>, shape: Shape = [values.length]): Value {
    return this.literal("float32", Float32Array.from(values), shape);
  }

  /** A float64 constant without axes. */
  wideConstant(value: number): Value {
    return this.literal("float64", Float64Array.of(value), []);
  }

  /** An int64 constant, the dtype ONNX wants for shapes and indices. */
  integers(values: readonly number[]): Value {
    return this.literal("int64", BigInt64Array.from(values, BigInt), [values.length]);
  }

  /** A weight of the checkpoint seen in `shape`, widened to float32 where the file holds half precision, turned where it holds the transpose. */
  weight(bytes: WeightBytes, shape: Shape): Value {
    if (bytes.transposed) return this.turned(this.weight({ ...bytes, transposed: false }, shape.toReversed()));
    const weight = this.widened(this.initializer(bytes, shape));
    this.weights.set(weight.name, (graph) => graph.weight(bytes, shape));
    this.stored.set(weight.name, bytes);
    return weight;
  }

  /** The rows `start` to `end` of a weight that is as its file has it: a byte range inside its own. Undefined for any other value. */
  weightRows({ name, shape: [rows = 1, ...rest] }: Value, start: number, end: number): Value | undefined {
    const bytes = this.stored.get(name);
    if (!bytes) return undefined;
    const rowBytes = bytes.length / rows;
    return this.weight({ ...bytes, offset: bytes.offset + start * rowBytes, length: (end - start) * rowBytes }, [end - start, ...rest]);
  }

  /** The transpose of a weight, where a product had better be computed with it: as it lies in the file. */
  transposeOf({ name }: Value): Value | undefined {
    return this.transposes.get(name);
  }

  /** A weight with a change made to it, once, when the graph is loaded; it is a weight again. */
  changed(weight: Value, purpose: string, change: (weight: Value) => Value): Value {
    // Other devices' providers fold what depends on no input, and would have to be fed what is prepared.
    const result =
      this.target === "cpu" ? this.prepared(weight, purpose, change) : this.once(`${weight.name} ${purpose}`, () => change(weight));
    const original = this.weights.get(weight.name);
    if (original) this.weights.set(result.name, (graph) => change(original(graph)));
    return result;
  }

  /** The `.onnx` model; its weights' locations are relative to `root`, which is as ONNX Runtime wants them. */
  encode(): EncodedGraph {
    const preparations = this.preparations.map((graph) => ({ ...graph.encodeNodes(), outputs: graph.outputs }));
    return { ...this.encodeNodes(), largestValue: this.largestValue, preparations };
  }

  /** What `build` makes of a weight: computed once, when the graph is loaded. `purpose` tells apart what is made of one weight. */
  private prepared(weight: Value, purpose: string, build: (weight: Value) => Value): Value {
    return this.once(`${weight.name} ${purpose}`, () => {
      const again = this.weights.get(weight.name);
      if (!again) throw new ArgumentError(`${weight.name} is no weight; only weights can be prepared`);
      const { graph, name, dtype, shape } = build(again(this.preparationGraph()));
      graph.outputs.push({ name, dtype, shape });
      return this.input(name, dtype, shape);
    });
  }

  /** The graph to which the next preparation belongs: another one where what the last one makes has become large. */
  private preparationGraph(): Graph {
    const last = this.preparations.at(-1);
    if (last && last.outputs.reduce((sum, { shape }) => sum + sizeOf(shape), 0) < LARGEST_PREPARATION) return last;
    const next = new Graph(this.options, `prepared${this.preparations.length}.`);
    this.preparations.push(next);
    return next;
  }

  private encodeNodes(): { bytes: Uint8Array<ArrayBuffer>; root: string } {
    const { inputs, outputs } = this;
    const roots = new Set<string>();
    // Of a weight that was prepared or lies transposed, nothing but its result or its transpose may be needed.
    const used = new Set(outputs.map(({ name }) => name));
    const nodes = [...this.widenings, ...this.nodes].reverse().filter((node) => {
      const isUsed = node.outputs.some((name) => used.has(name));
      if (isUsed) for (const name of node.inputs) used.add(name);
      return isUsed;
    });
    nodes.reverse();
    const initializers = this.initializers
      .filter(({ name }) => used.has(name))
      .map((initializer) => {
        const { data } = initializer;
        if (data instanceof Uint8Array) return initializer;
        const [root = "/"] = /^([A-Za-z]:)?[\\/]+/.exec(data.file) ?? [];
        // Drive letters come in both cases.
        roots.add(root.toUpperCase());
        return { ...initializer, data: { ...data, file: data.file.slice(root.length) } };
      });
    const [root = "/", another] = roots;
    if (another) throw new ArgumentError(`one network's weights lie on two drives, ${root} and ${another}; put them on one`);
    return { bytes: encodeModel({ nodes, initializers, inputs, outputs }), root };
  }

  /** A weight's transpose. On the CPU it is made once, so that every sum is that of a weight stored the usual way, to the bit. */
  private turned(stored: Value): Value {
    const weight = this.changed(stored, "turned", (own) =>
      own.graph.node("Transpose", [own], { shape: own.shape.toReversed(), attributes: { perm: [1, 0] } }),
    );
    if (this.target !== "cpu") this.transposes.set(weight.name, stored);
    return weight;
  }

  private widened(stored: Value): Value {
    const { dtype, shape } = stored;
    if (dtype === "float32") return stored;
    return this.once(`${stored.name} widened`, () => {
      const name = `${this.prefix}v${this.count++}`;
      this.widenings.push({ op: "Cast", domain: "", inputs: [stored.name], outputs: [name], attributes: { to: 1 } });
      return { graph: this, name, dtype: "float32", shape };
    });
  }

  private initializer({ name, dtype, file, offset, length }: WeightBytes, shape: Shape): Value {
    return this.once(`${name} ${offset} ${shape}`, () => {
      // The same tensor may be seen in two shapes or in halves; each is an initializer of its own.
      const unique = `${name}#${this.count++}`;
      this.initializers.push({ name: unique, dtype, shape, data: { file, offset, length } });
      return { graph: this, name: unique, dtype, shape };
    });
  }

  private literal(dtype: DType, data: Float32Array | Float64Array | BigInt64Array, shape: Shape): Value {
    if (data.length !== sizeOf(shape)) throw new ArgumentError(`constant of shape [${shape}] was given ${data.length} numbers`);
    return this.once(`${dtype} [${shape}] ${data.join()}`, () => {
      const name = `c${this.count++}`;
      this.initializers.push({ name, dtype, shape, data: new Uint8Array(data.buffer) });
      return { graph: this, name, dtype, shape };
    });
  }

  private once(key: string, make: () => Value): Value {
    const known = this.shared.get(key) ?? make();
    this.shared.set(key, known);
    return known;
  }
}
