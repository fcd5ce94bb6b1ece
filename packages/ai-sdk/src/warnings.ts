import type { AsyncLocalStorage } from "node:async_hooks";
import type { setWarningHandler, WarningHandler } from "darkroom";

/** What collecting warnings needs. */
export interface WarningParts {
  readonly setWarningHandler: typeof setWarningHandler;
  readonly AsyncLocalStorage: typeof AsyncLocalStorage;
}

let collector: AsyncLocalStorage<Set<string>> | undefined;

/** The program's own handler gets what no call of ours has caused. */
let otherwise: WarningHandler = () => undefined;

const handler: WarningHandler = (message, spell) => {
  const warnings = collector?.getStore();
  if (warnings) warnings.add(message);
  else otherwise(message, spell);
};

/** Does `work`, and adds the library's warnings about it to `warnings`. Several calls can run at the same time. */
export function withWarnings<Result>(parts: WarningParts, warnings: Set<string>, work: () => Promise<Result>): Promise<Result> {
  collector ??= new parts.AsyncLocalStorage();
  const previous = parts.setWarningHandler(handler);
  if (previous !== handler) otherwise = previous;
  return collector.run(warnings, work);
}
