import { printableMessage } from "./printable.js";
import { inPrograms, type Spelling, type Wording, worded } from "./wording.js";

/** Options every Darkroom error takes: `hint` says how to mend the problem, `cause` keeps the error underneath. */
export interface DarkroomErrorOptions {
  /** How to mend the problem. */
  readonly hint?: Wording;
  /** The error underneath. */
  readonly cause?: unknown;
}

/** Base of every error Darkroom throws on purpose. `message` names the thing and what was found; `hint` is the way out. */
export class DarkroomError extends Error {
  /** How to mend the problem. */
  readonly hint: string | undefined;
  readonly #words: { readonly message: Wording; readonly hint: Wording | undefined };

  constructor(message: Wording, { hint, cause }: DarkroomErrorOptions = {}) {
    super(printableMessage(worded(message, inPrograms)), cause === undefined ? undefined : { cause });
    this.name = new.target.name;
    this.hint = hint === undefined ? undefined : printableMessage(worded(hint, inPrograms));
    this.#words = { message, hint };
  }

  /** Message and hint with options spelled as `spelling` has them, for another door than a program. @internal */
  spell(spelling: Spelling): { readonly message: string; readonly hint: string | undefined } {
    const { message, hint } = this.#words;
    return {
      message: printableMessage(worded(message, spelling)),
      hint: hint === undefined ? undefined : printableMessage(worded(hint, spelling)),
    };
  }
}

/** A checkpoint is not what it should be: a file or tensor is missing, broken, hostile or of the wrong shape. */
export class CheckpointError extends DarkroomError {}

/** A config asks for a class or a value that Darkroom does not know, or that its paper does not allow. */
export class ConfigError extends DarkroomError {}

/** Options of an {@link ArgumentError}. */
export interface ArgumentErrorOptions extends DarkroomErrorOptions {
  /** The option that is wrong, as the API spells it. */
  readonly argument?: string;
}

/** A call's own arguments are wrong: size, steps, seed, strength, a scheduler option. */
export class ArgumentError extends DarkroomError {
  /** The option that is wrong, as the API spells it, such as `numInferenceSteps`; undefined where the error is not about one option. */
  readonly argument: string | undefined;

  constructor(message: Wording, { argument, ...options }: ArgumentErrorOptions = {}) {
    super(message, options);
    this.argument = argument;
  }
}

/** The device asked for is not on this machine, or failed while it worked. */
export class DeviceError extends DarkroomError {}

/** A result could not be written. */
export class OutputError extends DarkroomError {}

/** What kept a checkpoint from coming from the hub. */
export type HubProblem =
  /** No connection, or one that breaks again and again. */
  | "network"
  /** The hub fails for now. */
  | "server"
  /** What answers gives what no hub gives. */
  | "invalid-answer"
  | "rate-limit"
  /** The hub wants a token, or does not take the one it got. */
  | "unauthorized"
  /** The repository's licence has not been accepted by the token's account. */
  | "gated"
  | "repository-not-found"
  | "revision-not-found"
  | "file-not-found"
  /** The network must not be used and the cache has not all that is needed. */
  | "offline"
  /** A file came with other bytes than the hub says it has. */
  | "corrupt"
  /** The cache folder has no room or cannot be written. */
  | "disk";

/** Options of a {@link HubError}. */
export interface HubErrorOptions extends DarkroomErrorOptions {
  /** What kept the checkpoint from coming. */
  readonly problem: HubProblem;
  /** Seconds after which the hub wants to be asked again. */
  readonly retryAfter?: number;
}

/** A checkpoint could not be had from the model hub. */
export class HubError extends DarkroomError {
  /** What kept the checkpoint from coming. */
  readonly problem: HubProblem;
  /** Seconds after which the hub wants to be asked again; undefined where it does not say. */
  readonly retryAfter: number | undefined;

  constructor(message: Wording, { problem, retryAfter, ...options }: HubErrorOptions) {
    super(message, options);
    this.problem = problem;
    this.retryAfter = retryAfter;
  }
}
