import { AsyncLocalStorage } from "node:async_hooks";
import { setWarningHandler, type WarningHandler } from "darkroom";

const collector = new AsyncLocalStorage<Set<string>>();

/** The program's own handler gets what no call of ours has caused. */
let otherwise: WarningHandler = () => undefined;

const handler: WarningHandler = (message, spell) => {
  const warnings = collector.getStore();
  if (warnings) warnings.add(message);
  else otherwise(message, spell);
};

/** Does `work`, and adds the library's warnings about it to `warnings`. Several calls can run at the same time. */
export function withWarnings<Result>(warnings: Set<string>, work: () => Promise<Result>): Promise<Result> {
  const previous = setWarningHandler(handler);
  if (previous !== handler) otherwise = previous;
  return collector.run(warnings, work);
}
