import type { InferenceSession } from "onnxruntime-node";
import { DeviceError } from "../../errors.js";
import { wrongArgument } from "../../given.js";
import type { EncodedGraph } from "../../graph/encode.js";
import { type ByteProducts, Graph, type GraphOptions, HALF_TARGETS, type Value } from "../../graph/graph.js";
import { fusedAttention, narrow, scale, writtenOutAttention } from "../../graph/ops.js";
import { messageOf } from "../../message-of.js";
import { callQueueOf } from "../../runtime/call-queue.js";
import { disposed } from "../../runtime/disposed.js";
import {
  DEVICES,
  type Device,
  type DeviceOptions,
  type Engine,
  type LoadOptions,
  type NamedTensors,
  PRECISIONS,
  type Precision,
  type ResolvedDevice,
  type Session,
} from "../../runtime/engine.js";
import type { DType } from "../../tensor/dtype.js";
import { Tensor } from "../../tensor/tensor.js";
import { DEVICE_HINTS, missingFor } from "./device-needs.js";
import { gpusInSight, openGpuFiles } from "./linux-gpu.js";
import { scratchPath } from "./scratch-file.js";
import { WorkerThread } from "./worker-thread.js";

/** How an engine is made. */
export interface EngineOptions extends DeviceOptions {
  /** The runtime writes a profile of each session, when it is released, to a file whose path begins so. */
  readonly profile?: string;
}

/**
 * ONNX Runtime in a worker thread.
 * @throws DeviceError if `device` is not on this machine; ArgumentError for an unknown precision.
 */
export async function createEngine(options: EngineOptions = {}): Promise<Engine> {
  const { device = "auto", precision = "exact" } = options;
  if (!DEVICES.includes(device)) throw new DeviceError(`device is "${device}"; expected one of ${DEVICES.join(", ")}`);
  if (!PRECISIONS.includes(precision)) throw wrongArgument("precision", precision, `one of ${PRECISIONS.join(", ")}`, { type: "string" });
  const worker = new WorkerThread();
  for (const candidate of candidates(device)) {
    const engine = new WorkerEngine(worker, candidate, options);
    const problem = await engine.probe({ onlyHardware: device === "auto" });
    if (!problem) return prepared(engine);
    if (device !== "auto") {
      await worker.stop();
      throw new DeviceError(`device ${device} is not available: ${problem}`, { hint: DEVICE_HINTS[candidate] });
    }
  }
  return prepared(new WorkerEngine(worker, "cpu", options));
}

/** An engine that knows what its device is capable of. */
async function prepared(engine: WorkerEngine): Promise<Engine> {
  if (engine.precision === "fast" && engine.device === "cpu") await engine.measureByteRange();
  return engine;
}

/** Devices in the order "auto" tries them before the CPU. */
function candidates(device: Device): readonly ResolvedDevice[] {
  if (device !== "auto") return [device];
  if (process.platform !== "linux") return ["webgpu"];
  const gpus = gpusInSight();
  return [...(gpus.nvidia ? (["cuda"] as const) : []), ...(gpus.any ? (["webgpu"] as const) : [])];
}

/** A minimal graph for trying a device: y = 2x. */
export function probe(options: GraphOptions): Graph {
  const graph = new Graph(options);
  graph.output("y", scale(narrow(graph.input("x", "float32", [1])), 2));
  return graph;
}

/** Numbers of an intermediate result from which on a network's working memory is worth giving back after each run: SD 1.5's VAE from 128x128 pixels. */
const LARGE_VALUE = 2 ** 22;

class WorkerEngine implements Engine {
  readonly lowMemory: boolean;
  fusesAttention = false;
  private halves = true;
  private byteRange: ByteProducts["range"] | undefined;
  private readonly sessions = new Set<Session>();

  constructor(
    private readonly worker: WorkerThread,
    readonly device: ResolvedDevice,
    private readonly asked: EngineOptions,
  ) {
    this.lowMemory = asked.lowMemory ?? false;
  }

  get precision(): Precision {
    return this.device === "cpu" || this.halves ? (this.asked.precision ?? "exact") : "exact";
  }

  async load(graph: EncodedGraph, options: LoadOptions = {}): Promise<Session> {
    try {
      return await this.create(graph, options);
    } catch (cause) {
      throw this.failure("could not be loaded", cause);
    }
  }

  async dispose(): Promise<void> {
    callQueueOf(this).close(disposed());
    await Promise.all([...this.sessions].map((session) => session.release()));
    await this.worker.stop();
  }

  /**
   * Why this device does not work, or nothing; then its `precision` is settled, too. The CPU is taken on trust: asking it would cost the first picture
   * time. With `onlyHardware` a driver that computes in software does not count.
   */
  async probe({ onlyHardware }: { readonly onlyHardware: boolean }): Promise<string | undefined> {
    if (this.device === "cpu") return undefined;
    const missing = missingFor(this.device);
    if (missing !== undefined) return missing;
    try {
      const session = await this.create(probe({ target: this.device }).encode());
      const isSoftware = process.platform === "linux" && openGpuFiles() === 0;
      await session.release();
      if (onlyHardware && isSoftware) return "its driver computes in software";
    } catch (cause) {
      // Without the thread, no other device works either.
      if (this.worker.hasEnded) throw cause;
      return runtimeMessage(cause);
    }
    if (this.precision === "fast") this.halves = await this.computesHalves();
    if (this.device === "webgpu") this.fusesAttention = await this.isFusedAttentionRight();
    return undefined;
  }

  /** The provider's fused attention is twice as fast on a GPU, and some per cent off on drivers whose subgroups are narrow. */
  private async isFusedAttentionRight(): Promise<boolean> {
    const [tokens, width, heads] = [64, 64, 2];
    const graph = new Graph({ target: this.device });
    const [query, key, value] = ["query", "key", "value"].map((name) => graph.input(name, "float32", [1, tokens, width])) as [
      Value,
      Value,
      Value,
    ];
    graph.output("fused", fusedAttention(query, key, value, heads));
    graph.output("written", writtenOutAttention(query, key, value, heads));
    const wave = (step: number) =>
      Tensor.from(
        Array.from({ length: tokens * width }, (_, i) => Math.sin(i * step)),
        [1, tokens, width],
      );
    try {
      const { fused, written } = await this.runOnce(graph, { query: wave(0.7), key: wave(1.3), value: wave(2.1) });
      return fused?.toArray().every((number, i) => Math.abs(Number(number) - Number(written?.data[i])) < 1e-4) ?? false;
    } catch {
      return false;
    }
  }

  /** A device without half precision loads such a graph all the same, and refuses to run it. */
  private async computesHalves(): Promise<boolean> {
    if (!HALF_TARGETS.includes(this.device)) return false;
    try {
      const { y } = await this.runOnce(probe({ target: this.device, precision: "fast" }), { x: Tensor.from([1]) });
      return y?.data[0] === 2;
    } catch {
      return false;
    }
  }

  byteProducts(): ByteProducts | undefined {
    const { byteRange: range } = this;
    return range && { range, file: scratchPath() };
  }

  /** Finds out whether sums of two products of bytes are clipped to 16 bits, as on x86 processors without VNNI. */
  async measureByteRange(): Promise<void> {
    const width = 64;
    const graph = new Graph();
    const [a, b] = [graph.input("a", "uint8", [1, width]), graph.input("b", "int8", [width, 1])];
    graph.output("sum", graph.node("MatMulInteger", [a, b], { shape: [1, 1], dtype: "int32" }));
    const { sum } = await this.runOnce(graph, {
      a: new Tensor("uint8", [1, width], new Uint8Array(width).fill(255)),
      b: new Tensor("int8", [width, 1], new Int8Array(width).fill(127)),
    });
    this.byteRange = sum?.data[0] === 255 * 127 * width ? 127 : 63;
  }

  private async runOnce(graph: Graph, feeds: NamedTensors): Promise<NamedTensors> {
    const session = await this.load(graph.encode());
    return session.run(feeds).finally(() => session.release());
  }

  private failure(what: string, cause: unknown): DeviceError {
    return cause instanceof DeviceError
      ? cause
      : new DeviceError(`the network ${what} on ${this.device}: ${runtimeMessage(cause)}`, { cause });
  }

  private options(root: string, { keepsMemory = false, copiesWeights = false, optimizes = true } = {}): InferenceSession.SessionOptions {
    const { deviceId, profile } = this.asked;
    const provider = deviceId === undefined || this.device === "cpu" ? this.device : { name: this.device, deviceId };
    const external = { model_external_initializers_file_folder_path: root };
    const profiling = profile === undefined ? {} : { enableProfiling: true, profileFilePrefix: profile };
    // Threads that spin while they wait start sooner, and take the processor from others: DARKROOM_SPIN=0 is for machines that many processes share.
    const waiting = process.env.DARKROOM_SPIN === "0" ? { intra_op: { allow_spinning: "0" } } : {};
    const common = { executionProviders: [provider], ...profiling } as const;
    if (this.device !== "cpu") return { ...common, graphOptimizationLevel: "extended", extra: { session: external } };
    return {
      ...common,
      // "all" would re-order every convolution weight: 13 s for Stable Diffusion 1.5, to gain 10 % a step.
      graphOptimizationLevel: optimizes ? "extended" : "disabled",
      // The runtime's arena saves what the system takes to hand out fresh memory, 0.2 to 1 s in a gigabyte, and holds it until the session ends.
      enableCpuMemArena: keepsMemory,
      // One block for all of a run peaks a fifth higher, and is no faster.
      enableMemPattern: false,
      extra: {
        // Packing weights and widening half ones at load copies them: up to 17 s and twice the memory for Stable Diffusion 1.5, which gains 2 % a step.
        session: { ...external, ...waiting, disable_prepacking: copiesWeights ? "0" : "1" },
        optimization: { disable_specified_optimizers: copiesWeights ? "" : "ConstantFolding" },
      },
    };
  }

  private async create({ bytes, root, largestValue = 0, preparations = [] }: EncodedGraph, options: LoadOptions = {}): Promise<Session> {
    const { keepsMemory: runsOften = false, copiesWeights = false } = options;
    // What C's allocator is given back it keeps in part (0.6 GB after SD 1.5's VAE at 512x512), and it scatters more: the arena is better at large values,
    // even where nothing is to be left of it after the run. A profile is to show a session's runs together.
    const isLarge = this.device === "cpu" && !runsOften && largestValue >= LARGE_VALUE;
    const keepsMemory = isLarge || runsOften;
    const { session: id } = await this.worker.ask({
      kind: "load",
      model: bytes,
      options: this.options(root, {
        keepsMemory,
        copiesWeights: copiesWeights || preparations.some(({ file }) => file !== undefined),
        // Graphs are written as the CPU computes them fastest: in large ones the runtime finds nothing to fuse, in 0.3 s for SD 1.5's UNet and 3 s for its
        // VAE at 1024x1024.
        optimizes: copiesWeights || !keepsMemory,
      }),
      endsAfterRun: isLarge && this.asked.profile === undefined,
      preparations: preparations.map((preparation) => ({
        model: preparation.bytes,
        // Two transpositions may be faster than the one that the runtime would make of them.
        options: this.options(preparation.root, { optimizes: false }),
        outputs: preparation.outputs,
        file: preparation.file,
      })),
    });
    if (id === undefined) throw new DeviceError("the worker gave no session");
    const session: Session = {
      run: async (given, lent = []) => {
        const feeds = Object.fromEntries(Object.entries(given).map(compact));
        const buffers = lent.map((name) => feeds[name]?.data.buffer as ArrayBuffer);
        const { outputs = {} } = await this.worker.ask({ kind: "run", session: id, feeds, lent }, buffers).catch((cause: unknown) => {
          throw this.failure("failed", cause);
        });
        return Object.fromEntries(Object.entries(outputs).map(([name, { dtype, shape, data }]) => [name, new Tensor(dtype, shape, data)]));
      },
      release: async () => {
        if (!this.sessions.delete(session)) return;
        // A thread that has ended holds nothing any more.
        await this.worker.ask({ kind: "release", session: id }).catch((error: unknown) => {
          if (!this.worker.hasEnded) throw error;
        });
      },
    };
    this.sessions.add(session);
    return session;
  }
}

/** A view is cut out of its buffer, for a message between threads carries whole buffers. */
function compact([name, tensor]: [string, Tensor<DType>]): [string, Tensor<DType>] {
  const { dtype, shape, data } = tensor;
  return [name, data.byteLength === data.buffer.byteLength ? tensor : new Tensor(dtype, shape, data.slice())];
}

/** An error's message, without the place in ONNX Runtime's C++ sources that some begin with. */
function runtimeMessage(error: unknown): string {
  return messageOf(error)
    .replace(/^\/onnxruntime_src\/.*? was false\. /s, "")
    .trim();
}
