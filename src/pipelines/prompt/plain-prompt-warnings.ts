import { findSyntax } from "../../prompt/attention.js";
import { findLoraTag } from "../../prompt/lora-tags.js";
import { warn } from "../../warnings.js";
import type { Spelling } from "../../wording.js";

/** A warning shows this many letters of the text that was cut off: three lines of a narrow terminal. */
const LONGEST = 120;

/** Warns about the parts of prompts that diffusers' way of reading ignores. Warns once about a text, also if several encoders read it. */
export class PlainPromptWarnings {
  readonly #told = new Set<string>();

  /**
   * @param whose how the message names the prompt.
   * @param truncated the end that was cut off each text, if any.
   * @param tokens how many tokens the text encoder takes.
   */
  warnOf(whose: string, texts: readonly string[], truncated: readonly (string | undefined)[], tokens: number): void {
    for (const [i, text] of texts.entries()) {
      const syntax = findSyntax(text);
      if (syntax !== undefined) {
        this.#tell(
          `${whose} ${syntax}`,
          (name) => `${whose} has ${quote(syntax)}, which is read as plain text; ${reader(name)} reads it as AUTOMATIC1111 does`,
        );
      }
      const tag = findLoraTag(text);
      if (tag !== undefined) {
        this.#tell(
          `${whose} ${tag}`,
          (name) => `${whose} has ${quote(tag)}, which is read as plain text; ${name("loadLoraWeights")} loads LoRAs`,
        );
      }
      const cut = truncated[i] ?? "";
      if (cut === "") continue;
      this.#tell(
        `${whose} ${cut}`,
        (name) =>
          `${whose} is longer than ${tokens} tokens, all that the text encoder takes; ${reader(name)} reads it whole; cut off: ${quote(cut)}`,
      );
    }
  }

  #tell(key: string, warning: (name: Spelling) => string): void {
    if (this.#told.has(key)) return;
    this.#told.add(key);
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
