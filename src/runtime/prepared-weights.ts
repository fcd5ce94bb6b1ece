import { allocate } from "../tensor/dtype.js";
import { sizeOf } from "../tensor/tensor.js";
import type { OnnxRuntime } from "./onnx-runtime.js";
import type { NamedData, PreparationTask } from "./transport.js";

/** Prepared weights, for one session. */
export interface AcquiredWeights {
  /** What is fed to every run, in addition to the session's inputs. */
  readonly feeds: NamedData;
  /** To be called once, when the session is released. */
  release(): void;
}

/** Weights in another form than in their file. They are made once, and shared by all sessions that need the same. */
export class PreparedWeights {
  private readonly kept = new Map<string, { readonly feeds: NamedData; users: number }>();

  constructor(private readonly runtime: OnnxRuntime) {}

  /**
   * Runs the tasks whose results are not kept yet. They run one after another, so that memory holds the intermediate results of only one.
   */
  async acquire(tasks: readonly PreparationTask[]): Promise<AcquiredWeights> {
    const keys: string[] = [];
    const release = () => {
      for (const key of keys.splice(0)) this.drop(key);
    };
    let feeds: NamedData = {};
    try {
      for (const task of tasks) {
        const key = await keyOf(task);
        const kept = this.kept.get(key) ?? { feeds: await prepare(this.runtime, task), users: 0 };
        this.kept.set(key, kept);
        kept.users++;
        keys.push(key);
        feeds = { ...feeds, ...kept.feeds };
      }
    } catch (error) {
      release();
      throw error;
    }
    return { feeds, release };
  }

  private drop(key: string): void {
    const kept = this.kept.get(key);
    if (kept && --kept.users === 0) this.kept.delete(key);
  }
}

/** Runs a task. Each result has a buffer of its own. */
export async function prepare(runtime: OnnxRuntime, { model, options, outputs, mounts }: PreparationTask): Promise<NamedData> {
  const session = await runtime.createSession(model, options, mounts);
  try {
    const places = outputs.map(({ name, dtype, shape }) => [name, { dtype, shape, data: allocate(dtype, sizeOf(shape)) }]);
    return await session.run({}, Object.fromEntries(places));
  } finally {
    await session.release();
  }
}

/** Equal for two tasks that make the same weights. A mounted model does not say itself where its weights are. */
async function keyOf({ model, mounts = [] }: PreparationTask): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", model)).join();
  return [hash, ...mounts.map(({ file, offset, to }) => `${offset} ${to} ${file.id}`)].join("\n");
}
