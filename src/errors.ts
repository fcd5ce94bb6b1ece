/** Options every Darkroom error takes: `hint` says how to mend the problem, `cause` keeps the error underneath. */
export interface DarkroomErrorOptions {
  readonly hint?: string;
  readonly cause?: unknown;
}

/** Base of every error Darkroom throws on purpose. `message` names the thing and what was found; `hint` is the way out. */
export class DarkroomError extends Error {
  readonly hint: string | undefined;

  constructor(message: string, { hint, cause }: DarkroomErrorOptions = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = new.target.name;
    this.hint = hint;
  }
}

/** A checkpoint is not what it should be: a file or tensor is missing, broken, hostile or of the wrong shape. */
export class CheckpointError extends DarkroomError {}

/** A config asks for a class or a value that Darkroom does not know, or that its paper does not allow. */
export class ConfigError extends DarkroomError {}

/** A call's own arguments are wrong: size, steps, seed, strength, a scheduler option. */
export class ArgumentError extends DarkroomError {}

/** The device asked for is not on this machine, or failed while it worked. */
export class DeviceError extends DarkroomError {}

/** A result could not be written. */
export class OutputError extends DarkroomError {}
