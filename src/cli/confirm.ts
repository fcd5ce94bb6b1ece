import { createInterface } from "node:readline";

/** Where a question is asked and answered. */
export interface Conversation {
  readonly input: NodeJS.ReadableStream;
  readonly output: NodeJS.WritableStream;
  readonly signal?: AbortSignal;
}

/** Asks a question that only `y` and `yes` agree to: any other answer, or the end of the input, is a no. @throws the signal's reason once it aborts. */
export async function confirm(question: string, { input, output, signal }: Conversation): Promise<boolean> {
  output.write(`${question} [y/N] `);
  const lines = createInterface({ input, signal });
  try {
    for await (const line of lines) return /^y(es)?$/i.test(line.trim());
    signal?.throwIfAborted();
    return false;
  } finally {
    lines.close();
  }
}
