import type { Command } from "commander";
import { table } from "./table.js";

/** `darkroom schedulers` lists the names for `--scheduler`. */
export function addSchedulers(program: Command): void {
  program
    .command("schedulers")
    .description("list the names for --scheduler")
    .option("--verbose", "show the stack of an error")
    .action(async () => {
      const { SCHEDULERS } = await import("../schedulers/registry.js");
      const entries = Object.entries(SCHEDULERS);
      const classes = entries.map(([className, { description }]) => [className, description] as const);
      const aliases = entries.flatMap(([className, entry]) =>
        Object.entries(entry.aliases).map(([alias, overrides]) => [alias, [className, ...describe(overrides)].join(", ")] as const),
      );
      process.stdout.write(`${table(classes)}\n\nShort names:\n${table(aliases)}\n`);
    });
}

function describe(overrides: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(overrides).map(([field, value]) => `${field}: ${value}`);
}
