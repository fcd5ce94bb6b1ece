import { Command, CommanderError } from "commander";
import { VERSION } from "../version.js";
import { setWarningHandler } from "../warnings.js";
import { addAnimate } from "./animate.js";
import { addConvert } from "./convert.js";
import { addDevices } from "./devices.js";
import { describeError, EXIT_CODES, exitCodeOf } from "./errors.js";
import { addGenerate } from "./generate.js";
import { showSubject } from "./help-subjects.js";
import { addInfo } from "./info.js";
import { addInspect } from "./inspect.js";
import { addModels } from "./models.js";
import { addSchedulers } from "./schedulers.js";
import { addServe } from "./serve.js";
import { inTerminal } from "./spelling.js";
import { refuseCommand } from "./unknown-command.js";
import { usageError } from "./usage.js";
import { addWorker } from "./worker.js";

/** Runs the command line with `args`. Returns the exit code. Errors and warnings go to stderr. Aborting `signal` stops it. */
export async function run(args: readonly string[], signal: AbortSignal): Promise<number> {
  const warnings = new Set<string>();
  const previous = setWarningHandler((_, spell) => {
    const warning = spell(inTerminal);
    // Each of several pictures would give the same warning.
    if (!warnings.has(warning)) process.stderr.write(`darkroom: warning: ${warning}\n`);
    warnings.add(warning);
  });
  const commands = program(signal);
  try {
    if (showSubject(commands, args)) return 0;
    await commands.parseAsync(args, { from: "user" });
    return 0;
  } catch (thrown) {
    const error = thrown instanceof CommanderError && thrown.exitCode !== 0 ? usageError(thrown, commands, args) : thrown;
    const code = exitCodeOf(error);
    const helpShown = thrown instanceof CommanderError && thrown.code === "commander.help";
    if (code !== 0 && !helpShown) process.stderr.write(`${describeError(error, { verbose: args.includes("--verbose") })}\n`);
    return code;
  } finally {
    setWarningHandler(previous);
  }
}

function program(signal: AbortSignal): Command {
  const program = new Command("darkroom")
    .description("Makes pictures from text with Stable Diffusion checkpoints.")
    .version(VERSION)
    // One line for each command, so that the help fits a screen.
    .configureHelp({
      showGlobalOptions: false,
      subcommandTerm: (command) => command.name(),
      visibleCommands: ({ commands }) => [...commands],
    })
    .configureOutput({ outputError: () => undefined })
    .exitOverride()
    .showSuggestionAfterError(false)
    // Options belong to their command, so that two commands can have an option with the same name.
    .enablePositionalOptions()
    .addHelpText("after", `\nExample: darkroom generate "a red fox in the snow" --seed 7 --out fox.png\n\n${EXIT_CODES}`);
  addGenerate(program, signal);
  addAnimate(program, signal);
  addConvert(program, signal);
  addDevices(program);
  addInfo(program);
  addInspect(program);
  addModels(program, signal);
  addSchedulers(program);
  addServe(program, signal);
  addWorker(program, signal);
  program.on("command:*", (words: readonly string[], options: readonly string[]) => refuseCommand(program, words, options));
  return program;
}
