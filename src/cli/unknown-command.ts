import type { Command } from "commander";
import { ArgumentError } from "../errors.js";
import { mistypedName } from "../nearest.js";

/** Letters of a command that nobody knows above which it is not repeated whole. */
const LONGEST = 60;

/** Refuses what is no command, with the options behind it: a name mistyped, or a prompt without `generate`. */
export function refuseCommand(program: Command, words: readonly string[], options: readonly string[]): never {
  const [word = "", ...rest] = words;
  const nearest = mistypedName(
    word.toLowerCase(),
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

/** A word as it is typed: in quotes where it has a space or a sign that shells read. */
function quote(word: string): string {
  return /^[\w./:=-]+$/.test(word) ? word : JSON.stringify(word);
}
