const PREFIX = "darkroom.";

/** A text that the browser keeps; null without one. Browsers can refuse to keep anything. */
export function read(name: string, storage: () => Storage = () => localStorage): string | null {
  try {
    return storage().getItem(PREFIX + name);
  } catch {
    return null;
  }
}

/** Keeps a text, or forgets it. */
export function write(name: string, text: string | undefined, storage: () => Storage = () => localStorage): void {
  try {
    if (text === undefined) storage().removeItem(PREFIX + name);
    else storage().setItem(PREFIX + name, text);
  } catch {
    // The page works without.
  }
}
