import type { Command, CommanderError } from "commander";
import { ArgumentError } from "../errors.js";
import { mistypedName } from "../nearest.js";
import { ourNamesOf } from "../options/unknown-option.js";
import { optionOf } from "./spelling.js";

/** Our error for arguments that commander refuses, with a hint. */
export function usageError(cause: CommanderError, program: Command, args: readonly string[]): ArgumentError {
  const command = commandOf(program, args);
  const message = cause.message.replace(/^error: /, "").replace(/^command-argument /, "");
  return new ArgumentError(message, { cause, hint: hintFor(cause, command) ?? `${pathOf(command)} --help lists its options` });
}

function hintFor({ code, message }: CommanderError, command: Command): string | undefined {
  if (code === "commander.excessArguments" && command.name() === "generate") {
    return 'put the prompt in quotes: darkroom generate "a red fox"';
  }
  const [, option] = code === "commander.unknownOption" ? (/'(--[^'=]+)/.exec(message) ?? []) : [];
  if (option === undefined) return undefined;
  if (/^--(hf-)?token$/.test(option)) return TOKEN_HINT;
  if (option === "--prompt") return 'the prompt is given without a name: darkroom generate "a red fox"';
  const known = command.options.flatMap(({ long }) => long ?? []);
  const name = option.slice(2);
  const same = [...ourNamesOf(name).map(optionOf), CHECKPOINT.test(name) ? "--model" : undefined];
  const meant = same.find((each) => each !== undefined && known.includes(each));
  if (meant !== undefined) return `it is called ${meant}`;
  const names = known.map((each) => each.slice(2));
  const nearest = mistypedName(name, names) ?? names.find((each) => name.startsWith(each));
  return nearest === undefined ? undefined : `did you mean --${nearest}?`;
}

/** The command that the first arguments name. */
function commandOf(program: Command, args: readonly string[]): Command {
  const [name, ...rest] = args;
  const found = program.commands.find((command) => command.name() === name);
  return found === undefined ? program : commandOf(found, rest);
}

function pathOf(command: Command): string {
  return command.parent ? `${pathOf(command.parent)} ${command.name()}` : command.name();
}

const CHECKPOINT = /^(ckpt|checkpoint)$/;

const TOKEN_HINT = "set HF_TOKEN, or run hf auth login once: every user of this machine can read a program's arguments";
