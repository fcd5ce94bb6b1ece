import { expect, it } from "vitest";
import { toHttpError } from "../../src/http/http-error.js";
import { loadSqlite } from "../../src/jobs/embedded/database.js";

it("a full disk is told to clients, who can try again later", async () => {
  const database = new (await loadSqlite()).DatabaseSync(":memory:");
  database.exec("CREATE TABLE jobs (text TEXT); PRAGMA max_page_count = 3");
  const fill = () => database.exec(`INSERT INTO jobs VALUES ('${"x".repeat(100_000)}')`);
  const errors = [caught(fill), Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" })];
  for (const { status, code, message, hint, headers } of errors.map((error) => toHttpError(error))) {
    expect({ status, code, message }).toEqual({ status: 507, code: "disk_full", message: "the server's disk is full" });
    expect(hint).toContain("free space");
    expect(headers).toEqual({ "x-should-retry": "true", "retry-after": "60" });
  }
});

function caught(work: () => void): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  return undefined;
}
