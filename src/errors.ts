import { printableMessage } from "./printable.js";
import { inPrograms, type Spelling, type Wording, worded } from "./wording.js";

/** Options of every Darkroom error. */
export interface DarkroomErrorOptions {
  /** How to solve the problem. */
  readonly hint?: Wording | undefined;
  /** The error that caused this one. */
  readonly cause?: unknown | undefined;
}

/** Base of every error Darkroom throws on purpose. `message` names the thing and what was found; `hint` is the way out. */
export class DarkroomError extends Error {
  /** How to solve the problem. */
  readonly hint: string | undefined;
  readonly #words: { readonly message: Wording; readonly hint: Wording | undefined };

  constructor(message: Wording, { hint, cause }: DarkroomErrorOptions = {}) {
    super(printableMessage(worded(message, inPrograms)), cause === undefined ? undefined : { cause });
    this.name = nameOf(new.target);
    this.hint = hint === undefined ? undefined : printableMessage(worded(hint, inPrograms));
    this.#words = { message, hint };
  }

  /** Message and hint, with options spelled as `spelling` spells them. @internal */
  spell(spelling: Spelling): { readonly message: string; readonly hint: string | undefined } {
    const { message, hint } = this.#words;
    return {
      message: printableMessage(worded(message, spelling)),
      hint: hint === undefined ? undefined : printableMessage(worded(hint, spelling)),
    };
  }
}

/** Something is wrong with a checkpoint: a file or tensor is missing, damaged, malicious or of the wrong shape. */
export class CheckpointError extends DarkroomError {}

/** A config asks for a class or a value that Darkroom does not support or that is not valid. */
export class ConfigError extends DarkroomError {}

/** Options of an {@link ArgumentError}. */
export interface ArgumentErrorOptions extends DarkroomErrorOptions {
  /** The option that is wrong, as the API spells it. */
  readonly argument?: string | undefined;
}

/** An argument of a call is wrong: size, steps, seed, strength, a scheduler option. */
export class ArgumentError extends DarkroomError {
  /** The option that is wrong, as the API spells it, such as `numInferenceSteps`; undefined if the error is not about one option. */
  readonly argument: string | undefined;

  constructor(message: Wording, { argument, ...options }: ArgumentErrorOptions = {}) {
    super(message, options);
    this.argument = argument;
  }
}

/** The requested device is not available, or failed while it was running. */
export class DeviceError extends DarkroomError {}

/** Options of a {@link MemoryError}. */
export interface MemoryErrorOptions extends DarkroomErrorOptions {
  /** Bytes that the request needs, at least. */
  readonly needed: number;
  /** Bytes that are there. */
  readonly available: number;
}

/** A request needs more memory than there is. It is thrown before a network starts. */
export class MemoryError extends DeviceError {
  /** Bytes that the request needs, at least. */
  readonly needed: number;
  /** Bytes that are there. */
  readonly available: number;

  constructor(message: Wording, { needed, available, ...options }: MemoryErrorOptions) {
    super(message, options);
    this.needed = needed;
    this.available = available;
  }
}

/** A result could not be written. */
export class OutputError extends DarkroomError {}

/** Why a download from the hub failed. */
export type HubProblem =
  /** There is no connection, or it breaks again and again. */
  | "network"
  /** The hub has a temporary failure. */
  | "server"
  /** The server's answer is not one of a model hub. */
  | "invalid-answer"
  | "rate-limit"
  /** The hub requires a token, or rejected the one it got. */
  | "unauthorized"
  /** The repository's licence has not been accepted by the token's account. */
  | "gated"
  | "repository-not-found"
  | "revision-not-found"
  | "file-not-found"
  /** The network must not be used, and files are missing from the cache. */
  | "offline"
  /** A downloaded file differs from the size or hash that the hub states. */
  | "corrupt"
  /** The disk of the cache folder is full, or the folder cannot be written. */
  | "disk";

/** Options of a {@link HubError}. */
export interface HubErrorOptions extends DarkroomErrorOptions {
  /** Why the download failed. */
  readonly problem: HubProblem;
  /** Seconds to wait before the next request, as the hub asks. */
  readonly retryAfter?: number | undefined;
}

/** A checkpoint could not be downloaded from the model hub. */
export class HubError extends DarkroomError {
  /** Why the download failed. */
  readonly problem: HubProblem;
  /** Seconds to wait before the next request, as the hub asks; undefined if it does not say. */
  readonly retryAfter: number | undefined;

  constructor(message: Wording, { problem, retryAfter, ...options }: HubErrorOptions) {
    super(message, options);
    this.problem = problem;
    this.retryAfter = retryAfter;
  }
}

/** The name of an error's class. Minified code renames classes, but no keys. */
function nameOf(type: { readonly name: string }): string {
  const classes = { DarkroomError, CheckpointError, ConfigError, ArgumentError, DeviceError, MemoryError, OutputError, HubError };
  return Object.entries(classes).find(([, each]) => each === type)?.[0] ?? type.name;
}
