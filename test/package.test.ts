import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../", import.meta.url));
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

describe("the package's exports", () => {
  const resolve = (name: string) => createRequire(import.meta.url).resolve(`darkroom/schedulers/${name}`);
  const names = readdirSync(join(root, "src/schedulers"), { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => name.replace(/\.ts$/, ""))
    .filter((name) => name !== "registry");

  it.each(names)("have schedulers/%s, a module with a scheduler's class, for Node in its bundle", async (name) => {
    expect(resolve(name)).toBe(join(root, `dist/bundle/node/schedulers/${name}.js`));
    const exported = Object.keys(await import(`../src/schedulers/${name}.ts`));
    expect(exported).toContainEqual(expect.stringMatching(/Scheduler$/));
    expect(
      readFileSync(resolve(name), "utf8")
        .match(/^ {2}\w+(?=,$)/gm)
        ?.map((line) => line.trim())
        .sort(),
    ).toEqual(exported.sort());
  });

  it("give Node each class once, under its own name, whichever entry it comes from", () => {
    const program = `
      import * as darkroom from "darkroom";
      import { DDIMScheduler } from "darkroom/schedulers/ddim";
      import { Tensor } from "darkroom/tensor";
      import { randn } from "darkroom/random";
      import { generate } from "darkroom/generate";
      import "darkroom/from-pretrained";
      const misnamed = Object.entries(darkroom).filter(([name, each]) => /^[A-Z][a-z]/.test(name) && typeof each === "function" && each.name !== name);
      console.log(DDIMScheduler === darkroom.DDIMScheduler, Tensor === darkroom.Tensor, randn === darkroom.randn, typeof generate, misnamed.length);`;
    const output = execFileSync(process.execPath, ["--input-type=module", "--eval", program], { cwd: root, encoding: "utf8" });
    expect(output.trim()).toBe("true true true function 0");
  });

  it("are the same for Node as for others", async () => {
    const namesIn = async (path: string) => Object.keys(await import(/* @vite-ignore */ pathToFileURL(join(root, path)).href)).sort();
    for (const [entry, paths] of Object.entries<Record<string, string> | string | null>(manifest.exports)) {
      if (typeof paths !== "object" || paths === null || entry.includes("*")) continue;
      expect(await namesIn(paths["node-addons"] ?? "")).toEqual(await namesIn(paths.default ?? ""));
    }
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
    const modules = manifest.sideEffects.filter((path: string) => !path.startsWith("./dist/bundle/"));
    const named = modules.map((path: string) => path.replace(/^\.\/dist\/(.*)\.js$/, "$1.ts"));
    // Bundlers may leave out what the main entry only loads: it then has what a program uses, and "darkroom/from-pretrained" has the rest.
    const expected = effectful.map((path) => path.replaceAll("\\", "/")).filter((path) => path !== "index.ts");
    expect(named.sort()).toEqual(expected.sort());
  });
});
