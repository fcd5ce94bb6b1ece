import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

it("the process that Darkroom is measured in compiles against the built package", () => {
  const tsc = () =>
    execFileSync(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "bench/ours/tsconfig.json", "--noEmit"], {
      cwd: ROOT,
      encoding: "utf8",
    });
  expect(tsc()).toBe("");
});
