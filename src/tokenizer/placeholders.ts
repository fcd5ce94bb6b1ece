import { ArgumentError } from "../errors.js";
import { warn } from "../warnings.js";

/** A text that becomes one id or several ids. */
interface Placeholder {
  readonly text: string;
  readonly ids: readonly number[];
}

/** The texts added to a tokenizer after it was loaded. Each becomes one id or several (textual inversion, Gal et al. 2022). */
export class Placeholders {
  // By first id: the token finder gives the first id of a text that it finds.
  private readonly byFirstId = new Map<number, Placeholder>();

  /** The texts, with their ids. */
  entries(): readonly Placeholder[] {
    return [...this.byFirstId.values()];
  }

  add(text: string, ids: readonly [number, ...number[]]): void {
    this.byFirstId.set(ids[0], { text, ids });
  }

  /** Removes a placeholder and returns it. @throws ArgumentError if there is no placeholder with this text. */
  remove(text: string): Placeholder {
    const found = this.entries().find((placeholder) => placeholder.text === text);
    if (!found) {
      const texts = this.entries().map((placeholder) => placeholder.text);
      throw new ArgumentError(`no token ${text} was added to the tokenizer`, {
        hint: texts.length > 0 ? `added tokens: ${texts.join(", ")}` : "no token was added",
      });
    }
    this.byFirstId.delete(found.ids[0] as number);
    return found;
  }

  /**
   * The ids of a token found at `start` in `text`: all of its ids if it is written exactly as it was added, else only the first. diffusers'
   * maybe_convert_prompt looks for the exact text, transformers' tokenizer ignores the letter case.
   *
   * Two errors of diffusers are not copied. With transformers 5, it uses only the first id of a text with capitals (EasyNegative), because
   * the tokenizer returns it in lower case. And it replaces the text inside other placeholders' names (fox in fox_1 and foxes), in an
   * undefined order.
   */
  idsOf(id: number, text: string, start: number): readonly number[] {
    const placeholder = this.byFirstId.get(id);
    if (!placeholder || placeholder.ids.length === 1) return [id];
    if (text.startsWith(placeholder.text, start)) return placeholder.ids;
    const found = text.slice(start, start + placeholder.text.length);
    warn(
      `"${found}" uses only the first of the ${placeholder.ids.length} vectors of ${placeholder.text}; write it as ${placeholder.text} to use all`,
    );
    return [id];
  }
}

/** The names of a placeholder's ids, as diffusers gives them: the text, text_1, text_2, ... Prompts can use each of them. */
export function namesOf(text: string, vectors: number): readonly string[] {
  return Array.from({ length: vectors }, (_, i) => (i === 0 ? text : `${text}_${i}`));
}
