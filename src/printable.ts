/** A message longer than this is cut: it may quote names and values from files, which can hold anything. */
const LONGEST_MESSAGE = 2000;

/** The text with control characters and changes of the writing direction escaped: text from a file must not control a terminal. */
export function withoutControls(text: string): string {
  const escaped = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return text.replace(/[^\P{Cc}\n\t]|[\u202a-\u202e\u2066-\u2069]/gu, escaped);
}

/** A message as it can be shown: without control characters, and no longer than a screen. */
export function printableMessage(message: string): string {
  const shown = withoutControls(message.length > LONGEST_MESSAGE ? message.slice(0, LONGEST_MESSAGE) : message);
  return shown.length > LONGEST_MESSAGE || message.length > LONGEST_MESSAGE ? `${shown.slice(0, LONGEST_MESSAGE)}...` : shown;
}
