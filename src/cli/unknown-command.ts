import type { Command } from "commander";
import { ArgumentError } from "../errors.js";
import { mistypedName } from "../nearest.js";

/** Letters of an unknown command in the message. */
const LONGEST = 60;

/** @throws ArgumentError for an unknown command: a misspelt one, or a prompt without `generate`. `options` are the options after it. */
export function refuseCommand(program: Command, words: readonly string[], options: readonly string[]): never {
  const [word = "", ...rest] = words;
  const nearest = mistypedName(
    word,
    program.commands.map((command) => command.name()),
  );
  const typed = (...parts: readonly string[]) => ["darkroom", ...parts, ...options.map(quote)].join(" ");
  throw new ArgumentError(`unknown command '${word.length > LONGEST ? `${word.slice(0, LONGEST)}...` : word}'`, {
    hint:
      nearest === undefined
        ? `to make a picture of it: ${typed("generate", JSON.stringify(words.join(" ")))}; darkroom --help lists the commands`
        : `did you mean ${typed(nearest, ...rest.map(quote))}?`,
  });
}

/** A word for the shell: quoted if it has a space or a character that shells interpret. */
function quote(word: string): string {
  return /^[\w./:=-]+$/.test(word) ? word : JSON.stringify(word);
}
