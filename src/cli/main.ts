#!/usr/bin/env node
import { Command, CommanderError } from "commander";
import { setWarningHandler } from "../warnings.js";
import { describeError, EXIT_CODES, exitCodeOf, Interrupted } from "./errors.js";
import { addGenerate } from "./generate.js";
import { addInfo } from "./info.js";
import { addInspect } from "./inspect.js";
import { listenForInterrupts } from "./interrupts.js";
import { addModels } from "./models.js";
import { packageVersion } from "./package.js";
import { addSchedulers } from "./schedulers.js";
import { inTerminal } from "./spelling.js";

const program = new Command("darkroom")
  .description("Makes pictures from text with Stable Diffusion checkpoints.")
  .version(packageVersion())
  .configureHelp({ showGlobalOptions: false })
  .configureOutput({ outputError: () => undefined })
  .exitOverride()
  // A command's options are its own: the same one may mean something to two of them.
  .enablePositionalOptions()
  .addHelpText("after", `\nExample:\n  darkroom generate "a red fox on a blue background" --seed 7 --out fox.png\n\n${EXIT_CODES}`);

// Who reads our output may stop early (`| head -1`); the work on disk goes on.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
  });
}
setWarningHandler((_, spell) => process.stderr.write(`darkroom: warning: ${spell(inTerminal)}\n`));

const signal = listenForInterrupts();
addGenerate(program, signal);
addInfo(program);
addInspect(program);
addModels(program, signal);
addSchedulers(program);

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = exitCodeOf(error);
  const helpShown = error instanceof CommanderError && error.code === "commander.help";
  if (process.exitCode !== 0 && !helpShown)
    process.stderr.write(`${describeError(error, { verbose: process.argv.includes("--verbose") })}\n`);
  // Loading cannot be stopped, and must not keep the process once the user gave up on it.
  if (error instanceof Interrupted) process.exit();
}
