import { DeviceError } from "../../src/errors.js";
import type { OnnxModel } from "../../src/graph/onnx.js";
import type { EncodedModel, EngineHost } from "../../src/runtime/engine-host.js";
import type { Answer, LoadTask, NamedData, Task, Transport } from "../../src/runtime/transport.js";
import { Tensor } from "../../src/tensor/tensor.js";

/** How a fake device answers. By default it computes everything right. */
export interface FakeAnswers {
  /** The runtime's message when it is given a graph for this provider; undefined if it takes the graph. */
  refuses?(provider: string): string | undefined;
  /** The thread ends when it gets a task of this kind. */
  readonly endsAt?: Task["kind"];
  /** y = 2x, in half precision. */
  half?(): number;
  /** The sum of 64 products 255 * 127. */
  byteSum?(): number;
  /** How far fused attention is from the right result. */
  readonly fusedError?: number;
}

/** A thread without a runtime. It knows the graphs that probe a device by their inputs. */
export class FakeThread implements Transport {
  hasEnded = false;
  readonly tasks: Task[] = [];

  constructor(private readonly answers: FakeAnswers = {}) {}

  /** The tasks' kinds, in order. */
  get kinds(): readonly string[] {
    return this.tasks.map(({ kind }) => kind);
  }

  /** The graphs that it was given. */
  get loads(): readonly LoadTask[] {
    return this.tasks.filter((task) => task.kind === "load");
  }

  /** The sessions that were not released. */
  get open(): number {
    return this.loads.length - this.kinds.filter((kind) => kind === "release").length;
  }

  async ask(task: Task): Promise<Answer> {
    if (task.kind === this.answers.endsAt) this.hasEnded = true;
    if (this.hasEnded) throw new DeviceError("the runtime's thread has ended");
    this.tasks.push(task);
    if (task.kind === "load") {
      const [provider] = task.options.executionProviders;
      const refusal = this.answers.refuses?.(typeof provider === "object" ? provider.name : (provider ?? ""));
      if (refusal !== undefined) throw new Error(refusal);
      return { session: this.tasks.length };
    }
    return task.kind === "run" ? { outputs: this.run(task.feeds) } : {};
  }

  async stop(): Promise<void> {
    this.hasEnded = true;
  }

  private run({ a, query, x }: NamedData): NamedData {
    const { half = () => 2, byteSum = () => 255 * 127 * 64, fusedError = 0 } = this.answers;
    if (a) return { sum: new Tensor("int32", [1, 1], Int32Array.of(byteSum())) };
    if (query) return { fused: Tensor.full(query.shape, 1 + fusedError), written: Tensor.full(query.shape, 1) };
    return x ? { y: Tensor.from([half()]) } : {};
  }
}

/** A model without nodes. */
export const EMPTY_MODEL: OnnxModel = { nodes: [], initializers: [], inputs: [], outputs: [] };

/** Encodes every model as one byte, and says where its weights are. */
export async function fakeEncode(): Promise<EncodedModel> {
  return { bytes: Uint8Array.of(1), sessionConfig: { weights: "here" } };
}

/** A platform with this thread; no device lacks anything, and GPU drivers work on a GPU. */
export function fakeHost(thread: Transport, host: Partial<EngineHost> = {}): EngineHost {
  return {
    spins: true,
    threads: undefined,
    buildFor: () => "native",
    startThread: () => thread,
    autoDevices: () => ["cpu"],
    replacementNote: (device, reason) => `${device} is used: ${reason}`,
    missingFor: () => undefined,
    needsOf: (device) => `what ${device} needs`,
    computesInSoftware: () => false,
    encode: fakeEncode,
    scratchFile: () => ({ id: "scratch" }),
    ...host,
  };
}
