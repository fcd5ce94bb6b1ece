import { describe, expect, it } from "vitest";
import { ARROWS, folderOf } from "../../scripts/lint/arrows.js";
import { wideComments, wrapComments } from "../../scripts/lint/comment-width.js";
import { importProblems, unusedArrows } from "../../scripts/lint/imports.js";

const RULES = { arrows: ARROWS, aliases: { "#platform": "platform/node/platform.ts" }, folderOf };
const SCHEDULER = "schedulers/ddim.ts";

/** The problems of a program with one file that has this text. The files that it may name exist and are empty. */
function problemsOf(text: string, file = SCHEDULER): string[] {
  const others = ["errors.ts", "tensor/tensor.ts", "graph/graph.ts", "hub/open.ts", "platform/platform.ts", "platform/node/platform.ts"];
  return importProblems(new Map([...others.map((path) => [path, ""] as const), [file, text]]), RULES);
}

describe("imports between folders", () => {
  it.each([
    'import { Tensor } from "../tensor/tensor.js";',
    'import { ArgumentError } from "../errors.js";',
    'import * as v from "valibot";',
    '// import { Graph } from "../graph/graph.js";',
    'const text = "../graph/graph.js";',
    'export const names = ["../hub/open.js"];',
  ])("are allowed along the arrows: %s", (text) => {
    expect(problemsOf(text)).toEqual([]);
  });

  it.each([
    ["values", 'import { Graph } from "../graph/graph.js";'],
    ["types", 'import type { Graph } from "../graph/graph.js";'],
    ["several lines", 'import {\n  Graph,\n} from "../graph/graph.js";'],
    ["side effects", 'import "../graph/graph.js";'],
    ["import()", 'const { Graph } = await import("../graph/graph.js");'],
    ["types by import()", 'type Graph = import("../graph/graph.js").Graph;'],
    ["exports", 'export { Graph } from "../graph/graph.js";'],
    ["all exports", 'export * from "../graph/graph.js";'],
    ["exported types", 'export type { Graph } from "../graph/graph.js";'],
  ])("are refused against the arrows: %s", (_, text) => {
    expect(problemsOf(text)).toEqual([expect.stringMatching(/^schedulers\/ddim\.ts:\d: schedulers may not import graph/)]);
  });

  it("are refused to the platform's own folder, also by its alias", () => {
    expect(problemsOf('import { openFolder } from "#platform";')).toEqual([
      expect.stringContaining("schedulers may not import platform/node"),
    ]);
  });

  it("are refused for a folder that is not in the list", () => {
    expect(problemsOf("", "samplers/ddim.ts")).toEqual(["samplers/ddim.ts: the folder samplers is not in scripts/lint/arrows.ts"]);
  });

  it("name a file that does not exist", () => {
    expect(problemsOf('import { x } from "../tensor/x.js";')).toEqual(["schedulers/ddim.ts:1: tensor/x.ts does not exist"]);
  });

  it("cannot form a circle, because each arrow points up the list", () => {
    const rules = { ...RULES, arrows: { tensor: ["graph"], graph: ["tensor"] } };
    expect(importProblems(new Map(), rules)).toEqual(["scripts/lint/arrows.ts: tensor -> graph points the wrong way"]);
  });
});

describe("an arrow", () => {
  it("that no import needs is reported", () => {
    const rules = { ...RULES, arrows: { root: [], tensor: [], graph: ["tensor"], runtime: ["tensor", "graph"] } };
    const sources = new Map([["runtime/engine.ts", 'import type { Graph } from "../graph/graph.js";']]);
    expect(unusedArrows(sources, rules)).toEqual([
      "scripts/lint/arrows.ts: no import needs graph -> tensor",
      "scripts/lint/arrows.ts: no import needs runtime -> tensor",
    ]);
  });
});

describe("imports within a folder", () => {
  const circle = (back: string) =>
    importProblems(
      new Map([
        ["tensor/a.ts", 'import { b } from "./b.js";'],
        ["tensor/b.ts", 'import { c } from "./c.js";'],
        ["tensor/c.ts", back],
      ]),
      RULES,
    );

  it("must not load each other", () => {
    expect(circle('import { a } from "./a.js";')).toEqual([
      "a circle of imports: tensor/a.ts -> tensor/b.ts -> tensor/c.ts -> tensor/a.ts",
    ]);
  });

  it("may name each other's types, and load each other later", () => {
    expect(circle('import type { A } from "./a.js";\nconst a = () => import("./a.js");')).toEqual([]);
  });
});

describe("comments", () => {
  const long = (words: number) => Array.from({ length: words }, (_, i) => `word${i}`).join(" ");

  it.each([
    ["a line", `// ${long(30)}`],
    ["one line of a block", `  /** ${long(30)} */`],
    ["a line of a block", `/**\n * ${long(30)}\n */`],
    ["a comment behind code", `call(); // ${long(30)}`],
  ])("of more than 140 characters are found: %s", (_, source) => {
    expect(wideComments(source)).toHaveLength(1);
  });

  it.each([
    ["code", `const text = "${long(30)}";`],
    ["a URL", `// ${long(30)} https://example.com`],
    ["a directive", `// biome-ignore lint/style/noDefaultExport: ${long(30)}`],
  ])("are not found in %s", (_, source) => {
    expect(wideComments(source)).toEqual([]);
  });

  it("are wrapped by paragraphs, without breaking code and links", () => {
    const source = `  /**\n   * Short.\n   *\n   * ${long(20)} \`a b c\` {@link A.b} end.\n   * @throws Error if ${long(25)}\n   */\n  call();`;
    const wrapped = wrapComments(source);
    expect(wideComments(wrapped)).toEqual([]);
    expect(wrapped.split("\n").slice(0, 4)).toEqual(["  /**", "   * Short.", "   *", `   * ${long(20)}`]);
    expect(wrapped).toContain("   * `a b c` {@link A.b} end.\n   * @throws Error if word0");
    expect(wrapped.endsWith("\n   */\n  call();")).toBe(true);
    expect(wrapComments(wrapped)).toBe(wrapped);
  });

  it("are left alone if they are narrow enough", () => {
    const source = "/** One. */\n// two\n// three\ncall(); // four";
    expect(wrapComments(source)).toBe(source);
  });
});
