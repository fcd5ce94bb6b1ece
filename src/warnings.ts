import { wrongArgument } from "./given.js";
import { printableMessage } from "./printable.js";
import { inPrograms, type Spelling, type Wording, worded } from "./wording.js";

/** Receives every warning, and a function that returns the warning with options spelled another way. */
export type WarningHandler = (message: string, spell: (spelling: Spelling) => string) => void;

let handler: WarningHandler = (message) => console.warn(`darkroom: ${message}`);

/** Sends warnings (a prompt that was cut, a missing variant) to `next` instead of the console. Returns the handler it replaces. */
export function setWarningHandler(next: WarningHandler): WarningHandler {
  if (typeof next !== "function") throw wrongArgument("next", next, "a function");
  const previous = handler;
  handler = next;
  return previous;
}

/** Warns the user of something that does not stop the work. */
export function warn(message: Wording): void {
  const spell = (spelling: Spelling) => printableMessage(worded(message, spelling));
  handler(spell(inPrograms), spell);
}
