import type { Command } from "commander";
import { ArgumentError } from "../errors.js";
import { mistypedName } from "../nearest.js";

/** The subjects of `darkroom generate --help SUBJECT`, and the headings of their options. */
export const HELP_SUBJECTS = {
  picture: "Picture:",
  families: "Of some families (3: Stable Diffusion 3 and 3.5):",
  start: "From a picture:",
  networks: "Other networks:",
  control: "Control (repeated for several networks, in order; one value may stand for all):",
  hub: "Hugging Face hub (token in HF_TOKEN):",
  output: "Output:",
  running: "Running:",
} as const;

const NAMES = Object.keys(HELP_SUBJECTS) as readonly (keyof typeof HELP_SUBJECTS)[];

/** The names of the subjects, as a phrase. */
export function subjectNames(): string {
  return NAMES.join(", ");
}

/**
 * Prints the help on a subject of `generate` if `args` ask for one: `generate --help control`, `generate -h control` or `help generate
 * control`. Returns whether they do.
 * @throws ArgumentError for an unknown subject
 */
export function showSubject(program: Command, args: readonly string[]): boolean {
  const [first, second, third] = args;
  const subject = first === "generate" && (second === "--help" || second === "-h") ? third : undefined;
  const named = subject ?? (first === "help" && second === "generate" ? third : undefined);
  if (named === undefined || named.startsWith("-")) return false;
  const known = NAMES.find((each) => each === named.toLowerCase());
  if (known === undefined) {
    const nearest = mistypedName(named, NAMES);
    throw new ArgumentError(`${JSON.stringify(named.slice(0, 60))} is no subject of the help of generate; expected ${subjectNames()}`, {
      hint: nearest === undefined ? "darkroom generate --help shows all options" : `did you mean darkroom generate --help ${nearest}?`,
    });
  }
  const generate = program.commands.find((command) => command.name() === "generate") as Command;
  const help = generate.createHelp();
  const options = help.visibleOptions(generate).filter(({ helpGroupHeading }) => helpGroupHeading === HELP_SUBJECTS[known]);
  generate.configureHelp({ visibleOptions: () => [...options], visibleArguments: () => [] });
  generate.description(`make a picture from a prompt: ${known} of ${subjectNames()}`);
  generate.outputHelp();
  return true;
}
