/** What a text says of an option beside its name. */
export interface Mention {
  /** The value the text gives it. */
  readonly value?: string | number;
  /** How a program writes it in full. */
  readonly code?: string;
}

/** How a door spells an option or method that it is given by the API's name: `numInferenceSteps` in a program, `--steps` in a terminal. */
export type Spelling = (name: string, mention?: Mention) => string;

/** A text; as a function, one that names options: `(name) => \`raise ${name("numInferenceSteps")}\``. */
export type Wording = string | ((name: Spelling) => string);

/** How programs spell it. */
export const inPrograms: Spelling = (name, { value, code } = {}) =>
  code ?? (value === undefined ? name : `${name}: ${JSON.stringify(value)}`);

/** The text as a door spells it. */
export function worded(text: Wording, spelling: Spelling): string {
  return typeof text === "string" ? text : text(spelling);
}
