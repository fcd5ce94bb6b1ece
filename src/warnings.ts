import { printableMessage } from "./printable.js";

/** Receives every warning as one finished sentence. */
export type WarningHandler = (message: string) => void;

let handler: WarningHandler = (message) => console.warn(`darkroom: ${message}`);

/** Sends warnings (a prompt that was cut, a missing variant) to `next` instead of the console. Returns the handler it replaces. */
export function setWarningHandler(next: WarningHandler): WarningHandler {
  const previous = handler;
  handler = next;
  return previous;
}

/** Tells the user of something that does not stop the work. */
export function warn(message: string): void {
  handler(printableMessage(message));
}
