import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { Device } from "../../src/runtime/device.js";
import { setWarningHandler } from "../../src/warnings.js";
import { findCases, type ParityCase } from "./cases.js";
import type { Comparison } from "./comparison.js";
import { type ParityResult, ParityRun } from "./run.js";

// npm run parity -- [--fixtures DIR] [--checkpoints DIR] [--only GROUP/NAME] [--device DEVICE]
// Compares Darkroom with Python diffusers' results: every case of the fixtures, a row each. Ends with 1 if one misses its tolerance.

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const { values } = parseArgs({
  options: {
    fixtures: { type: "string", default: here("../fixtures") },
    checkpoints: { type: "string", default: here("../checkpoints") },
    only: { type: "string" },
    device: { type: "string", default: "cpu" },
  },
});

const [fixtures, checkpoints] = [resolve(values.fixtures), resolve(values.checkpoints)];
const missing = [fixtures, checkpoints].find((folder) => !existsSync(folder));
const cases = findCases(fixtures, values.only);
if (missing) fail(`there is no folder ${missing}`);
else if (cases.length === 0) fail(`${fixtures} holds no case${values.only ? ` ${values.only}` : ""}`);
else process.exitCode = await report(cases);

async function report(found: readonly ParityCase[]): Promise<number> {
  // Some cases cut prompts on purpose.
  setWarningHandler(() => {});
  const width = Math.max(...found.map(({ group, name }) => group.length + name.length + 1));
  const row = (...[name = "", ...columns]: string[]) =>
    [name.padEnd(width), ...columns.map((column) => column.padEnd(13))].join("  ").trimEnd();
  console.log(row("case", "largest error", "tolerance", "result"));
  const totals = { pass: 0, miss: 0, "not supported yet": 0 } satisfies Record<ParityResult["outcome"], number>;
  await using run = new ParityRun(checkpoints, values.device as Device);
  for (const each of found) {
    const { case: name, outcome, worst, message } = await run.run(each);
    totals[outcome]++;
    const [error, tolerance] = worst ? [number(worst.error, worst), number(worst.tolerance, worst)] : ["-", "-"];
    console.log(row(name, error, tolerance, message ? `${outcome}: ${message}` : outcome));
  }
  console.log(`${totals.pass} passed, ${totals.miss} failed, ${totals["not supported yet"]} skipped`);
  return totals.miss > 0 ? 1 : 0;
}

function number(value: number, { tolerance, unit }: Comparison): string {
  if (unit === "ulp") return `${value.toFixed(value % 1 === 0 ? 0 : 1)} ulp`;
  if (value === 0) return tolerance === 0 ? "exact" : "0";
  return `${value.toExponential(1)}${unit === "relative" ? " rel" : ""}`;
}

function fail(message: string): void {
  console.error(`parity: ${message}`);
  process.exitCode = 1;
}
