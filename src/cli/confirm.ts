import { createInterface } from "node:readline";

/** The streams for a question and its answer. */
export interface Conversation {
  readonly input: NodeJS.ReadableStream;
  readonly output: NodeJS.WritableStream;
  readonly signal?: AbortSignal;
}

/**
 * Asks a question. `y` and `yes` mean yes; any other answer, or the end of the input, means no.
 * @throws the signal's reason once it aborts.
 */
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
