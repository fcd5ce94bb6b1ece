import { Interrupted } from "./errors.js";

/** Ctrl-C, `kill` and a closed terminal, with their exit codes in shells: 128 plus the number of the signal. */
const signals = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/** Milliseconds until a line confirms Ctrl-C. A step can take many seconds. */
const NOTICED_WAIT = 500;

/** A signal that aborts with an `Interrupted` when the process is asked to stop. At the second time, the process exits at once. */
export function listenForInterrupts(): AbortSignal {
  const controller = new AbortController();
  for (const name of Object.keys(signals) as (keyof typeof signals)[]) {
    process.on(name, () => {
      if (controller.signal.aborted) return dieOf(name);
      controller.abort(new Interrupted(signals[name]));
      if (process.stderr.isTTY) setTimeout(sayWaiting, NOTICED_WAIT).unref();
    });
  }
  return controller.signal;
}

/** Ends the process by the signal itself. `process.exit` would wait for the current step. */
function dieOf(name: keyof typeof signals): void {
  process.removeAllListeners(name);
  process.kill(process.pid, name);
}

function sayWaiting(): void {
  process.stderr.write("\ndarkroom: stopping; Ctrl-C again stops at once\n");
}
