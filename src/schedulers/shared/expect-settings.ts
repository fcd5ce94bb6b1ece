import { ArgumentError } from "../../errors.js";
import type { SchedulerClass } from "./scheduler.js";

/** @throws ArgumentError unless schedulers of a class have all of these settings; it names the first missing one. */
export function expectSettings({ className, schema }: Pick<SchedulerClass, "className" | "schema">, settings: object): void {
  const argument = Object.keys(settings).find((key) => !(key in schema.entries));
  if (argument === undefined) return;
  throw new ArgumentError((name) => `${name(argument)} does not apply to ${className}, which has no such setting`, {
    argument,
    hint: (name) => `leave ${name(argument)} out, or take another scheduler`,
  });
}
