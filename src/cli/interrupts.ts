import { Interrupted } from "./errors.js";

/** Ctrl-C, `kill` and a closed terminal, with the exit codes shells give them (128 and the signal's number). */
const signals = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/** Milliseconds after which a person wonders whether Ctrl-C was heard; a step can take many seconds. */
const NOTICED_WAIT = 500;

/** A signal that aborts (with an `Interrupted`) when the process is asked to stop. Asked twice, the process exits at once. */
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

/** Ends the process as if nobody had listened. `process.exit` would wait for the step that is being computed. */
function dieOf(name: keyof typeof signals): void {
  process.removeAllListeners(name);
  process.kill(process.pid, name);
}

function sayWaiting(): void {
  process.stderr.write("\ndarkroom: stopping after this step; Ctrl-C again stops at once\n");
}
