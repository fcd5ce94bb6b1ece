/** The queue's file cannot be used. */
export class QueueFileError extends Error {
  override readonly name = "QueueFileError";
  /** The way out, for people. */
  readonly hint: string | undefined;
  constructor(message: string, { hint, cause }: { readonly hint?: string; readonly cause?: unknown } = {}) {
    super(message, { cause });
    this.hint = hint;
  }
}
