import { findSyntax } from "../../prompt/attention.js";
import { findLoraTag } from "../../prompt/lora-tags.js";
import { warn } from "../../warnings.js";
import type { Spelling } from "../../wording.js";

/** The most letters of a text in a warning: three lines of a narrow terminal. */
const LONGEST = 120;

/**
 * Warns about parts of plain prompts that have no effect: other programs' syntax, and what is cut off. Warns once about a text, even if
 * several encoders read it.
 */
export class PlainPromptWarnings {
  readonly #given = new Set<string>();

  /**
   * @param whose the prompt's name in the message.
   * @param truncated the end of each text that was cut off, if any.
   * @param tokens the number of tokens that the text encoder takes.
   */
  warnOf(whose: string, texts: readonly string[], truncated: readonly (string | undefined)[], tokens: number): void {
    for (const [i, text] of texts.entries()) {
      const syntax = findSyntax(text);
      if (syntax !== undefined) {
        this.#warnOnce(
          `${whose} ${syntax}`,
          (name) => `${whose} has ${quote(syntax)}, which is read as plain text; ${reader(name)} reads it as AUTOMATIC1111 does`,
        );
      }
      const tag = findLoraTag(text);
      if (tag !== undefined) {
        this.#warnOnce(
          `${whose} ${tag}`,
          (name) => `${whose} has ${quote(tag)}, which is read as plain text; ${name("loadLoraWeights")} loads LoRAs`,
        );
      }
      const cut = truncated[i] ?? "";
      if (cut === "") continue;
      this.#warnOnce(
        `${whose} ${cut}`,
        (name) =>
          `${whose} is longer than ${tokens} tokens, all that the text encoder takes; ${reader(name)} reads it whole; cut off: ${quote(cut)}`,
      );
    }
  }

  #warnOnce(key: string, warning: (name: Spelling) => string): void {
    if (this.#given.has(key)) return;
    this.#given.add(key);
    warn(warning);
  }
}

function reader(name: Spelling): string {
  return name("promptSyntax", { code: 'promptSyntax: "a1111"' });
}

/** A text in one line, cut if it is too long. */
function quote(text: string): string {
  const line = text.replace(/\s+/g, " ");
  const more = line.length - LONGEST;
  return more > 0 ? `"${line.slice(0, LONGEST)}..." and ${more} more letters` : `"${line}"`;
}
