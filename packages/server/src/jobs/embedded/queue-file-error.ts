import { ArgumentError } from "darkroom";

/** The queue's file cannot be used: the server needs another folder. */
export class QueueFileError extends ArgumentError {
  constructor(message: string, { hint, cause }: { readonly hint?: string; readonly cause?: unknown } = {}) {
    super(message, { argument: "folder", hint, cause });
  }
}
