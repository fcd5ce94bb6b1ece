#!/usr/bin/env node
import { listenForInterrupts } from "./interrupts.js";
import { run } from "./run.js";

// Who reads our output may stop early (`| head -1`); the work on disk goes on.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
  });
}

const signal = listenForInterrupts();
process.exitCode = await run(process.argv.slice(2), signal);
// Loading cannot be stopped, and must not keep the process once the user gave up on it.
if (signal.aborted) process.exit();
