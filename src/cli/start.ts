import { OutputError } from "../errors.js";
import { describeError, exitCodeOf } from "./errors.js";
import { listenForInterrupts } from "./interrupts.js";
import { run } from "./run.js";

/** Runs the command line as a process. */
export async function start(): Promise<void> {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (cause: NodeJS.ErrnoException) => {
      // The reader of our output may stop early (`| head -1`); the work on disk goes on.
      if (cause.code === "EPIPE") return;
      const error = new OutputError(`the output cannot be written: ${cause.message}`, { cause });
      if (stream === process.stdout) process.stderr.write(`${describeError(error, { verbose: false })}\n`);
      process.exit(exitCodeOf(error));
    });
  }

  const signal = listenForInterrupts();
  process.exitCode = await run(process.argv.slice(2), signal);
  // Loading cannot be stopped, and must not keep the process alive after Ctrl-C.
  if (signal.aborted) process.exit();
}
