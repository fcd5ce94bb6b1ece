import { CommanderError } from "commander";
import { ArgumentError, CheckpointError, ConfigError, DarkroomError, DeviceError, HubError, OutputError } from "../errors.js";
import { messageOf } from "../message-of.js";
import { withoutControls } from "../printable.js";
import { spelled } from "./spelling.js";

/** The exit codes, for `darkroom --help`. */
export const EXIT_CODES = `Exit codes: 0 done, 1 unexpected error, 2 wrong usage, 3 checkpoint, 4 device,
  5 output cannot be written, 130 stopped by Ctrl-C`;

/** The user or the system asked the process to stop. It is the reason of the commands' AbortSignal. */
export class Interrupted extends Error {
  constructor(readonly exitCode: number) {
    super("stopped");
  }
}

/** The exit code for an error that ended the process. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof Interrupted) return error.exitCode;
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (isA(error, ArgumentError)) return 2;
  if (isA(error, CheckpointError) || isA(error, ConfigError) || isA(error, HubError)) return 3;
  if (isA(error, DeviceError)) return 4;
  if (isA(error, OutputError)) return 5;
  return 1;
}

/** The lines for stderr: message and hint, and with `verbose` the stack. */
export function describeError(error: unknown, { verbose }: { readonly verbose: boolean }): string {
  const { message, hint } = wordsOf(error);
  const lines = [`darkroom: ${message}`];
  if (hint) lines.push(`  ${hint}`);
  if (verbose && error instanceof Error && error.stack) lines.push(error.stack, ...causesOf(error));
  return withoutControls(lines.join("\n"));
}

/** Whether an error is of a class; it can be of another copy of this package, which darkroom-server may have. */
function isA<Kind extends DarkroomError>(error: unknown, kind: new (...args: never) => Kind): error is Kind {
  for (let type = error; type instanceof Object; type = Object.getPrototypeOf(type)) if (type.constructor.name === kind.name) return true;
  return false;
}

function wordsOf(error: unknown): { readonly message: string; readonly hint: string | undefined } {
  if (isA(error, DarkroomError)) return spelled(error);
  return { message: messageOf(error), hint: hintOf(error) };
}

function hintOf(error: unknown): string | undefined {
  if (error instanceof Interrupted) return undefined;
  return "this is a bug in Darkroom; --verbose shows where";
}

function causesOf(error: Error): string[] {
  const { cause } = error;
  if (!(cause instanceof Error)) return [];
  return [`caused by: ${cause.stack ?? cause.message}`, ...causesOf(cause)];
}
