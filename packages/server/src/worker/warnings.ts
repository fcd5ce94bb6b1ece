import { setWarningHandler } from "darkroom";

/** Warnings of one kind can come with every step. */
const MOST_WARNINGS = 20;

/**
 * Does `work`, and returns its result with the library's warnings, each once. One call after another, or one inside another: the inner one
 * gets them.
 */
export async function withWarnings<Result>(work: () => Promise<Result>): Promise<readonly [Result, readonly string[]]> {
  const warnings = new Set<string>();
  const previous = setWarningHandler((message) => {
    if (warnings.size < MOST_WARNINGS) warnings.add(message);
  });
  try {
    return [await work(), [...warnings]];
  } finally {
    setWarningHandler(previous);
  }
}
