import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { setWarningHandler } from "../src/warnings.js";
import { findCases, GROUPS } from "./parity/cases.js";
import { ParityRun } from "./parity/run.js";

const folder = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const cases = findCases(folder("fixtures"));
const run = new ParityRun(folder("checkpoints"));
const warnings = setWarningHandler(() => {});

afterAll(async () => {
  setWarningHandler(warnings);
  await run[Symbol.asyncDispose]();
});

describe.each(GROUPS)("%s: Darkroom gives what Python gives", (group) => {
  it.for(cases.filter((each) => each.group === group))("$name", async (parityCase, { skip }) => {
    const { outcome, worst, message } = await run.run(parityCase);
    if (outcome === "not supported yet") skip(message);
    expect(outcome, [message, JSON.stringify(worst)].join(" ")).toBe("pass");
  });
});
