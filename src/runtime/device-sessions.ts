import { DeviceError } from "../errors.js";
import type { FinishedGraph } from "../graph/finished-graph.js";
import { messageOf } from "../message-of.js";
import type { DType } from "../tensor/dtype.js";
import { Tensor } from "../tensor/tensor.js";
import type { LoadOptions, NamedTensors, Session } from "./session.js";
import { loadTask, type SessionSettings } from "./session-options.js";
import type { Transport } from "./transport.js";

/** The sessions on one device: loads graphs in the runtime's thread, runs and releases them. */
export class DeviceSessions {
  private readonly open = new Set<Session>();

  constructor(
    private readonly transport: Transport,
    private readonly settings: SessionSettings,
  ) {}

  /**
   * `onRead` is called with the number of bytes of weights that were read since, if the device can tell.
   * @throws DeviceError if the runtime refuses the model, or the thread has ended.
   */
  async load(graph: FinishedGraph, options: LoadOptions = {}, onRead?: (bytes: number) => void): Promise<Session> {
    try {
      return await this.create(graph, options, onRead);
    } catch (cause) {
      throw this.failure("could not be loaded", cause);
    }
  }

  /** Releases all sessions. */
  async release(): Promise<void> {
    await Promise.all([...this.open].map((session) => session.release()));
  }

  /** Loads a graph. @throws the thread's error, unchanged. */
  async create(graph: FinishedGraph, options: LoadOptions = {}, onRead?: (bytes: number) => void): Promise<Session> {
    const { session: id } = await this.transport.ask(await loadTask(this.settings, graph, options), [], onRead);
    if (id === undefined) throw new DeviceError("the runtime's thread returned no session");
    const session: Session = {
      run: (feeds, lent) => this.run(id, feeds, lent),
      release: async () => {
        if (!this.open.delete(session)) return;
        // A thread that has ended holds no sessions.
        await this.transport.ask({ kind: "release", session: id }).catch((error: unknown) => {
          if (!this.transport.hasEnded) throw error;
        });
      },
    };
    this.open.add(session);
    return session;
  }

  private async run(session: number, given: NamedTensors, lent: readonly string[] = []): Promise<NamedTensors> {
    const feeds = Object.fromEntries(Object.entries(given).map(([name, tensor]) => [name, compact(tensor)]));
    const buffers = lent.map((name) => feeds[name]?.data.buffer as ArrayBuffer);
    const { outputs = {} } = await this.transport.ask({ kind: "run", session, feeds, lent }, buffers).catch((cause: unknown) => {
      throw this.failure("failed", cause);
    });
    return Object.fromEntries(Object.entries(outputs).map(([name, { dtype, shape, data }]) => [name, new Tensor(dtype, shape, data)]));
  }

  private failure(what: string, cause: unknown): DeviceError {
    if (cause instanceof DeviceError) return cause;
    return new DeviceError(`the network ${what} on ${this.settings.device}: ${runtimeMessage(cause)}`, { cause });
  }
}

/** A tensor whose data is a whole buffer: messages between threads carry whole buffers. */
function compact(tensor: Tensor<DType>): Tensor<DType> {
  const { dtype, shape, data } = tensor;
  return data.byteLength === data.buffer.byteLength ? tensor : new Tensor(dtype, shape, data.slice());
}

/**
 * An error's message, without the place in ONNX Runtime's C++ sources with which some begin. CUDA's errors have such places in their middle
 * and at their end, too: "CUDA failure 100: no CUDA-capable device is detected" is left of them.
 */
export function runtimeMessage(error: unknown): string {
  const message = messageOf(error);
  const [failure] = /\bCU[A-Z]+ failure \d+: .*?(?= ; GPU=|$)/m.exec(message) ?? [];
  return (failure ?? message.replace(/^\/onnxruntime_src\/.*? was false\. /s, "")).trim();
}
