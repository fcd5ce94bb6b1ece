import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { QueueFullError } from "../src/index.js";

const FOLDER = fileURLToPath(new URL("..", import.meta.url));

describe("the server's package", () => {
  it("says how many jobs wait when the queue is full", () => {
    expect(new QueueFullError(5, 10).message).toBe("5 jobs are waiting, as many as the server takes");
  });

  it("contains the page with everything that the page loads", () => {
    const [packed] = JSON.parse(
      execFileSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], { cwd: FOLDER, encoding: "utf8" }),
    );
    const files = (packed.files as { path: string }[]).map(({ path }) => path);
    const index = readFileSync(join(FOLDER, "dist/page/index.html"), "utf8");
    const loaded = [...index.matchAll(/(?:src|href)="\.\/([^"]+)"/g)].map(([, path]) => `dist/page/${path}`);
    expect(loaded.map((path) => path.replace(/.*\./, "")).sort()).toEqual(["css", "js", "svg"]);
    expect(files).toEqual(expect.arrayContaining(["dist/page/index.html", "dist/page/licenses.md", ...loaded]));
  });
});
