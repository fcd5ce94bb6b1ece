import { onTestFinished } from "vitest";
import { setWarningHandler } from "../../src/warnings.js";

/** The warnings of one test, collected instead of printed. */
export function collectWarnings(): string[] {
  const warnings: string[] = [];
  const previous = setWarningHandler((message) => warnings.push(message));
  onTestFinished(() => void setWarningHandler(previous));
  return warnings;
}
