import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const DIST = fileURLToPath(new URL("../../dist/", import.meta.url));

/**
 * The files that ONNX Runtime leaves in the folder for temporary files, and the variable that keeps its usage data private, after a program
 * ran a network.
 */
function afterRun(environment: Readonly<Record<string, string>>): { files: string[]; variable: string } {
  const folder = mkdtempSync(join(tmpdir(), "darkroom-test-"));
  const { ORT_DISABLE_TELEMETRY: _, ...own } = process.env;
  const program = `import { createEngine } from "${DIST}platform/node/engine.js";
    const engine = await createEngine({ device: "cpu", precision: "fast" });
    await engine.dispose();
    console.log(process.env.ORT_DISABLE_TELEMETRY);`;
  try {
    const variable = execFileSync(process.execPath, ["--input-type=module", "-e", program], {
      env: { ...own, TMPDIR: folder, ...environment },
      encoding: "utf8",
    });
    return { files: readdirSync(folder), variable: variable.trim() };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

describe("a program that runs networks", () => {
  it("sends no usage data and leaves no files of the runtime behind", () => {
    expect(afterRun({})).toEqual({ files: [], variable: "1" });
  });

  it("keeps the choice of a user who wants to send usage data", () => {
    expect(afterRun({ ORT_DISABLE_TELEMETRY: "0" }).variable).toBe("0");
  });
});
