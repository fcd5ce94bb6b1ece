import { ArgumentError } from "../errors.js";
import { warn } from "../warnings.js";

/** A text that stands for several ids. */
interface Placeholder {
  readonly text: string;
  readonly ids: readonly number[];
}

/** What was added to a tokenizer after it was loaded: texts that each become one id or several (textual inversion, Gal et al. 2022). */
export class Placeholders {
  // The first id is what the text is found by.
  private readonly byFirstId = new Map<number, Placeholder>();

  /** Their texts with their ids. */
  entries(): readonly Placeholder[] {
    return [...this.byFirstId.values()];
  }

  add(text: string, ids: readonly [number, ...number[]]): void {
    this.byFirstId.set(ids[0], { text, ids });
  }

  /** The placeholder, which is gone then. @throws ArgumentError if there is none of that text. */
  remove(text: string): Placeholder {
    const found = this.entries().find((placeholder) => placeholder.text === text);
    if (!found) {
      const texts = this.entries().map((placeholder) => placeholder.text);
      throw new ArgumentError(`no token ${text} was added to the tokenizer`, {
        hint: texts.length > 0 ? `added were ${texts.join(", ")}` : "none was added",
      });
    }
    this.byFirstId.delete(found.ids[0] as number);
    return found;
  }

  /**
   * What a token found at `start` in `text` becomes. It stands for all of its ids where it is written as it was added. In other capitals it is
   * found, too, but stands for the first alone: diffusers' maybe_convert_prompt looks for the exact text, transformers' tokenizer does not.
   *
   * Two things of diffusers are left out. With transformers 5 it never finds more than the first of a text that has capitals (EasyNegative), for the
   * tokenizer gives it in small letters. And it replaces the text in other placeholders' names, too (fox in fox_1 and foxes), in no certain order.
   */
  idsOf(id: number, text: string, start: number): readonly number[] {
    const placeholder = this.byFirstId.get(id);
    if (!placeholder || placeholder.ids.length === 1) return [id];
    if (text.startsWith(placeholder.text, start)) return placeholder.ids;
    const found = text.slice(start, start + placeholder.text.length);
    warn(
      `"${found}" stands for the first of the ${placeholder.ids.length} vectors of ${placeholder.text} only; write it as ${placeholder.text}`,
    );
    return [id];
  }
}

/** The names of a placeholder's ids, as diffusers gives them: the text, text_1, text_2, ... Each may be written in a prompt. */
export function namesOf(text: string, vectors: number): readonly string[] {
  return Array.from({ length: vectors }, (_, i) => (i === 0 ? text : `${text}_${i}`));
}
