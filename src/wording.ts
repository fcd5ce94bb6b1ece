/** How a text mentions an option. */
export interface Mention {
  /** The value it should have. */
  readonly value?: string | number;
  /** The code for it in a program, if it is more than `name: value`. */
  readonly code?: string;
}

/** Turns the API's name of an option or method into the user's: `numInferenceSteps` in a program, `--steps` on the command line. */
export type Spelling = (name: string, mention?: Mention) => string;

/** A text for users. A text that names options is a function: `(name) => \`raise ${name("numInferenceSteps")}\``. */
export type Wording = string | ((name: Spelling) => string);

/** The spelling for programs. */
export const inPrograms: Spelling = (name, { value, code } = {}) =>
  code ?? (value === undefined ? name : `${name}: ${JSON.stringify(value)}`);

/** The text in this spelling. */
export function worded(text: Wording, spelling: Spelling): string {
  return typeof text === "string" ? text : text(spelling);
}

/** `1 number`, `2 numbers`. */
export function counted(count: number, one: string, several = `${one}s`): string {
  return `${count} ${count === 1 ? one : several}`;
}
