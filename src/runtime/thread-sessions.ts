import { messageOf } from "../message-of.js";
import type { FileRef } from "../tensor/stored-tensor.js";
import type { OnnxRuntime, OnnxSession } from "./onnx-runtime.js";
import { type AcquiredWeights, PreparedWeights, prepare } from "./prepared-weights.js";
import type { Call, CallAnswer } from "./thread-calls.js";
import type { Answer, LoadTask, NamedData, RunTask, Task, TensorData } from "./transport.js";

/** A model that was loaded, and the weights that are fed to every run. */
interface LoadedModel {
  /** Undefined if it ended after a run. */
  session: OnnxSession | undefined;
  readonly task: LoadTask;
  readonly prepared: AcquiredWeights;
  /** Temporary files to remove when the model is released. */
  readonly scratch: readonly FileRef[];
}

/** The sessions in the runtime's thread. Its tasks must be done one after another. */
export class ThreadSessions {
  private readonly models = new Map<number, LoadedModel>();
  private readonly preparedWeights: PreparedWeights;
  private lastId = 0;

  constructor(private readonly runtime: OnnxRuntime) {
    this.preparedWeights = new PreparedWeights(runtime);
  }

  /** Does the task of a call. The answer, or why it failed, and the buffers that are handed over with it. */
  async reply(call: Call): Promise<readonly [answer: CallAnswer, transfer: readonly ArrayBuffer[]]> {
    const { id } = call;
    try {
      const answer = await this.answer(call);
      return [{ id, ...answer }, Object.values(answer.outputs ?? {}).map(({ data }) => data.buffer as ArrayBuffer)];
    } catch (error) {
      return [{ id, error: messageOf(error) }, []];
    }
  }

  /** Does a task. @throws Error with ONNX Runtime's message, or for a session that was released. */
  async answer(task: Task): Promise<Answer> {
    if (task.kind === "wait" || task.kind === "stop") return {};
    if (task.kind === "load") return { session: await this.load(task) };
    const loaded = this.models.get(task.session);
    if (!loaded) throw new Error(`session ${task.session} was released`);
    if (task.kind === "run") return { outputs: await this.run(loaded, task) };
    this.models.delete(task.session);
    await this.release(loaded);
    return {};
  }

  private async load(task: LoadTask): Promise<number> {
    const prepared = await this.preparedWeights.acquire(task.preparations.filter(({ file }) => file === undefined));
    const loaded = await this.createSession(task).catch((error: unknown) => {
      prepared.release();
      throw error;
    });
    this.models.set(++this.lastId, { ...loaded, task, prepared });
    return this.lastId;
  }

  private async run(loaded: LoadedModel, { feeds, lent }: RunTask): Promise<NamedData> {
    const session = loaded.session ?? (await this.createSession(loaded.task)).session;
    loaded.session = session;
    try {
      const outputs = Object.entries(await session.run({ ...loaded.prepared.feeds, ...feeds })).map(([name, tensor]) => [
        name,
        whole(tensor),
      ]);
      return Object.fromEntries([...outputs, ...lent.map((name) => [name, feeds[name]])]);
    } finally {
      if (loaded.task.endsAfterRun) await end(loaded);
    }
  }

  private async release(loaded: LoadedModel): Promise<void> {
    loaded.prepared.release();
    await end(loaded);
    for (const file of loaded.scratch) this.runtime.scratch.remove(file);
  }

  /**
   * Creates a session. Files of prepared weights are removed afterwards: the runtime has mapped or read them, and no longer needs their
   * names.
   */
  private async createSession({
    model,
    options,
    preparations,
    mounts,
  }: LoadTask): Promise<{ session: OnnxSession; scratch: readonly FileRef[] }> {
    const { scratch } = this.runtime;
    const files = new Map<string, FileRef>();
    try {
      for (const task of preparations) {
        const { file, outputs } = task;
        if (file === undefined) continue;
        if (files.size === 0) scratch.removeStale(file);
        files.set(file.id, file);
        scratch.write(file, outputs, await prepare(this.runtime, task));
      }
      const session = await this.runtime.createSession(model, options, mounts);
      return { session, scratch: [...files.values()].filter((file) => !scratch.remove(file)) };
    } catch (error) {
      for (const file of files.values()) scratch.remove(file);
      throw error;
    }
  }
}

async function end(loaded: LoadedModel): Promise<void> {
  const { session } = loaded;
  loaded.session = undefined;
  await session?.release();
}

/** The tensor with a whole buffer, which can be transferred to another thread without a copy. */
function whole(tensor: TensorData): TensorData {
  const { data } = tensor;
  return data.byteLength === data.buffer.byteLength ? tensor : { ...tensor, data: data.slice() };
}
