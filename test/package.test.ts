import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../", import.meta.url));
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

describe("the package's exports", () => {
  const resolve = (name: string) => createRequire(import.meta.url).resolve(`darkroom/schedulers/${name}`);
  const names = readdirSync(join(root, "src/schedulers"), { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => name.replace(/\.ts$/, ""))
    .filter((name) => name !== "registry");

  it.each(names)("have schedulers/%s, a module with a scheduler's class", async (name) => {
    expect(resolve(name)).toBe(join(root, `dist/schedulers/${name}.js`));
    expect(Object.keys(await import(`../src/schedulers/${name}.ts`))).toContainEqual(expect.stringMatching(/Scheduler$/));
  });

  it("are listed in docs/bundling.md", () => {
    const page = readFileSync(join(root, "docs/bundling.md"), "utf8");
    const [, list = ""] = /without `Scheduler`:\n\n(.*?)\n\n/s.exec(page) ?? [];
    expect([...list.matchAll(/`([\w-]+)`/g)].map(([, name]) => name).sort()).toEqual(names.sort());
  });

  it.each(["registry", "shared/scheduler", "float32/arithmetic"])("do not have schedulers/%s", (name) => {
    expect(() => resolve(name)).toThrow(/not defined by "exports"/);
  });
});

describe("the package's sideEffects", () => {
  /**
   * Whether a line begins a statement that does something when the module is loaded. Only the first line of a statement at the top level
   * begins with a letter.
   */
  const hasEffect = (line: string) =>
    /^import "/.test(line) ||
    (/^\w/.test(line) && !/^(import|export|const|let|function|async|class|abstract|interface|type|declare)\b/.test(line));
  const effectful = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" }).filter(
    (path) =>
      path.endsWith(".ts") &&
      readFileSync(join(root, "src", path), "utf8")
        .split("\n")
        .some(hasEffect),
  );

  it("name every module that does something when it is loaded, so that bundlers keep it", () => {
    const named = manifest.sideEffects.map((path: string) => path.replace(/^\.\/dist\/(.*)\.js$/, "$1.ts"));
    // Bundlers may leave out what the main entry only loads: it then has what a program uses, and "darkroom/from-pretrained" has the rest.
    const expected = effectful.map((path) => path.replaceAll("\\", "/")).filter((path) => path !== "index.ts");
    expect(named.sort()).toEqual(expected.sort());
  });
});
