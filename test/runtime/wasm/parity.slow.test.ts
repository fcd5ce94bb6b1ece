import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { setWarningHandler } from "../../../src/warnings.js";
import { findCases } from "../../parity/cases.js";
import { ParityRun } from "../../parity/run.js";

const folder = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const run = new ParityRun(folder("checkpoints"), "wasm");
const warnings = setWarningHandler(() => {});

afterAll(async () => {
  setWarningHandler(warnings);
  await run[Symbol.asyncDispose]();
});

/** Every network, and some pipelines. `npm run parity -- --device wasm` runs all, in ten minutes. */
const CASES = ["models/*", "pipelines/ddpm*", "pipelines/score*", "pipelines/lcm*", "pipelines/edit*", "pipelines/depth*"];

describe("in WebAssembly, Darkroom gives what Python gives", () => {
  it.each(CASES.flatMap((only) => findCases(folder("fixtures"), only)).map((each) => [`${each.group}/${each.name}`, each] as const))(
    "%s",
    async (_, parityCase) => {
      const { outcome, worst, message } = await run.run(parityCase);
      expect(outcome, [message, JSON.stringify(worst)].join(" ")).toBe("pass");
    },
  );
});
