import type { Command } from "commander";

/** `darkroom schedulers`: the names `--scheduler` takes. */
export function addSchedulers(program: Command): void {
  program
    .command("schedulers")
    .description("list the names --scheduler takes")
    .option("--verbose", "show the stack of an error")
    .action(async () => {
      const { SCHEDULERS } = await import("../schedulers/registry.js");
      const rows = Object.entries(SCHEDULERS).flatMap(([className, { description, aliases }]) => [
        [className, description],
        ...Object.entries(aliases).map(([alias, overrides]) => [alias, `= ${[className, ...describe(overrides)].join(", ")}`]),
      ]);
      const width = Math.max(...rows.map(([name = ""]) => name.length));
      for (const [name = "", meaning] of rows) process.stdout.write(`${name.padEnd(width)}  ${meaning}\n`);
    });
}

function describe(overrides: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(overrides).map(([field, value]) => `${field}: ${value}`);
}
