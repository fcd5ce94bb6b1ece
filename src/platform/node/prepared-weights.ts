import { createHash } from "node:crypto";
import { InferenceSession, type OnnxValue, Tensor } from "onnxruntime-node";
import type { PreparationTask } from "../../runtime/transport.js";
import { allocate } from "../../tensor/dtype.js";
import { sizeOf } from "../../tensor/tensor.js";

type Feeds = Readonly<Record<string, OnnxValue>>;

/** Prepared weights, for one session. */
export interface AcquiredWeights {
  /** What is fed to every run, in addition to the session's inputs. */
  readonly feeds: Feeds;
  /** To be called once, when the session is released. */
  release(): void;
}

/** Weights in another form than in their file. They are made once, and shared by all sessions that need the same. */
export class PreparedWeights {
  private readonly kept = new Map<string, { readonly feeds: Feeds; users: number }>();

  /** Runs the tasks whose results are not kept yet. They run one after another, so that memory holds the intermediate results of only one. */
  async acquire(tasks: readonly PreparationTask[]): Promise<AcquiredWeights> {
    const keys: string[] = [];
    const release = () => {
      for (const key of keys.splice(0)) this.drop(key);
    };
    let feeds: Feeds = {};
    try {
      for (const task of tasks) {
        const key = createHash("sha256").update(task.model).digest("hex");
        const kept = this.kept.get(key) ?? { feeds: await prepare(task), users: 0 };
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
export async function prepare({ model, options, outputs }: PreparationTask): Promise<Readonly<Record<string, Tensor>>> {
  const session = await InferenceSession.create(model, options);
  try {
    const places = Object.fromEntries(
      outputs.map(({ name, dtype, shape }) => [
        name,
        new Tensor(dtype as "float32", allocate(dtype, sizeOf(shape)) as Float32Array, shape),
      ]),
    );
    await session.run({}, places);
    return places;
  } finally {
    await session.release();
  }
}
