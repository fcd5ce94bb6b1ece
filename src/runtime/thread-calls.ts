import type { Answer, Task } from "./transport.js";

/** A task with its number, as it is sent to the thread. */
export type Call = Task & { readonly id: number };

/** The answer to the call with the same number, as the thread sends it. */
export interface CallAnswer extends Answer {
  readonly id: number;
  /** ONNX Runtime's message, if the task failed. */
  readonly error?: string | undefined;
}

/** What a thread tells while it answers the call with the same number. */
export interface CallNote {
  readonly id: number;
  /** Bytes of weights that were read since the last note. */
  readonly read: number;
}

/** A call that waits for its answer. */
interface Waiting {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
  readonly onRead: ((bytes: number) => void) | undefined;
}

/** The calls to a thread. Each call has a number, and its answer has the same number. */
export class ThreadCalls {
  private readonly waiting = new Map<number, Waiting>();
  private lastId = 0;
  private ended: Error | undefined;

  /** `send` sends a call to the thread. */
  constructor(private readonly send: (call: Call, transfer: readonly ArrayBuffer[]) => void) {}

  /** Number of calls without an answer. */
  get pending(): number {
    return this.waiting.size;
  }

  /** Whether new calls are refused. */
  get hasEnded(): boolean {
    return this.ended !== undefined;
  }

  /** Sends a task, and waits for its answer. */
  ask(task: Task, transfer: readonly ArrayBuffer[] = [], onRead?: (bytes: number) => void): Promise<Answer> {
    if (this.ended) return Promise.reject(this.ended);
    const id = ++this.lastId;
    return new Promise((resolve, reject) => {
      this.send({ ...task, id }, transfer);
      this.waiting.set(id, { resolve, reject, onRead });
    });
  }

  /** Passes an answer, or a note, to its call. A call whose caller throws at a note fails. */
  settle(answer: CallAnswer | CallNote): void {
    const call = this.waiting.get(answer.id);
    if ("read" in answer) {
      try {
        call?.onRead?.(answer.read);
      } catch (error) {
        call?.reject(error);
      }
      return;
    }
    this.waiting.delete(answer.id);
    if (answer.error === undefined) call?.resolve(answer);
    else call?.reject(new Error(answer.error));
  }

  /** Refuses all new calls with this error. Only the first error counts. */
  refuse(error: Error): void {
    this.ended ??= error;
  }

  /** Refuses all new calls, and rejects all calls without an answer. */
  fail(error: Error): void {
    this.refuse(error);
    for (const { reject } of this.waiting.values()) reject(this.ended ?? error);
    this.waiting.clear();
  }
}
