import { createHash } from "node:crypto";
import { InferenceSession, type OnnxValue, Tensor } from "onnxruntime-node";
import type { PreparationTask } from "../../runtime/transport.js";
import { allocate } from "../../tensor/dtype.js";
import { sizeOf } from "../../tensor/tensor.js";

type Feeds = Readonly<Record<string, OnnxValue>>;

/** What a session feeds on beside its inputs. */
export interface AcquiredWeights {
  readonly feeds: Feeds;
  /** To be called once, when the session needs them no more. */
  release(): void;
}

/** Weights in another form than their file's, made once and shared by the sessions that feed on the same. */
export class PreparedWeights {
  private readonly kept = new Map<string, { readonly feeds: Feeds; users: number }>();

  /** What the tasks make. One runs after another, so that memory holds only one's intermediate results. */
  async acquire(tasks: readonly PreparationTask[]): Promise<AcquiredWeights> {
    const keys: string[] = [];
    const release = () => {
      for (const key of keys.splice(0)) this.letGo(key);
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

  private letGo(key: string): void {
    const kept = this.kept.get(key);
    if (kept && --kept.users === 0) this.kept.delete(key);
  }
}

/** Runs a task. The results are whole buffers of their own. */
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
