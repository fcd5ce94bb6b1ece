import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ROOT } from "../../bench/paths.js";
import type { Result, Run } from "../../bench/results.js";
import { median } from "../../bench/results.js";
import { describeRun, describeRunInShort, formatMebibytes, formatSeconds, markdownTable, replaceBetween } from "../../bench/tables.js";

function result(contender: string, seconds: readonly number[], mebibytes: readonly number[], rest: Partial<Result> = {}): Result {
  const memory = mebibytes.map((total) => ({ total, anonymous: total / 2, file: total / 2 }));
  return { measurement: "unet", title: "UNet step", contender, seconds: { "UNet step": [...seconds] }, memory, ...rest };
}

function run(contenders: readonly string[], results: readonly Result[]): Run {
  return {
    date: "2026-01-02T03:04:05.678Z",
    machine: { cpu: "A Processor", cores: 2, memoryGiB: 24, os: "An OS" },
    versions: { darkroom: "0.1.0", torch: "2.15.0" },
    checkpoint: "sd15",
    scale: "real",
    rounds: 3,
    repeats: 1,
    contenders,
    results,
  };
}

/** The cells of the table's line that begins with `title`. */
function cells(text: string, title: string): string[] {
  const line = text.split("\n").find((each) => each.startsWith(`| ${title} `)) ?? expect.fail(`no line ${title} in\n${text}`);
  return line
    .split("|")
    .slice(2, -1)
    .map((cell) => cell.trim());
}

describe("median", () => {
  it("is the middle value, or the mean of the two in the middle", () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([4, 1, 2, 100])).toBe(3);
  });

  it("is not a number if nothing was measured", () => {
    expect(median([])).toBeNaN();
  });
});

describe("the tables of a run", () => {
  const text = describeRun(
    run(
      ["exact", "diffusers-fp32", "sd-cpp"],
      [
        result("exact", [1, 2, 9], [1024, 2048, 1024]),
        result("diffusers-fp32", [3, 30, 2], [1536, 1536, 1536]),
        result("sd-cpp", [], [], { failure: "ImportError: no module" }),
      ],
    ),
  );
  const [times, memory] = [text.indexOf("| time "), text.indexOf("| peak memory ")];

  it("give each contender's median time, and how it compares with the first", () => {
    expect(cells(text.slice(times, memory), "UNet step")).toEqual(["2.00 s", "3.00 s (1.50x)", "failed"]);
  });

  it("give peak memory likewise, and the anonymous part of it", () => {
    expect(cells(text.slice(memory), "UNet step")).toEqual(["1.00 GiB", "1.50 GiB (1.50x)", "failed"]);
    expect(cells(text.slice(memory), "- of it anonymous")).toEqual(["512 MiB", "768 MiB (1.50x)", "failed"]);
  });

  it("say why something is missing", () => {
    expect(text).toContain("- sd-cpp, UNet step: ImportError: no module");
  });

  it("name checkpoint, machine, day and versions", () => {
    for (const fact of ["Stable Diffusion 1.5", "A Processor, 2 cores, 24 GiB, An OS", "2026-01-02", "darkroom 0.1.0, torch 2.15.0"])
      expect(text).toContain(fact);
  });

  it("leave empty what a contender was not asked", () => {
    const table = describeRun(run(["exact", "sd-cpp"], [result("exact", [1], [100])]));
    expect(cells(table, "UNet step")).toEqual(["1.00 s", ""]);
  });

  it("give no ratio to a first contender that failed", () => {
    const table = describeRun(run(["exact", "b"], [result("exact", [], [], { failure: "no" }), result("b", [4], [100])]));
    expect(cells(table, "UNet step")).toEqual(["failed", "4.00 s"]);
  });
});

it("a run in short is a step, a picture, the start, the picture's memory and the embedded checkpoint's picture", () => {
  const titles = [
    "UNet step, guided",
    "VAE decode",
    "cold start: ready for the first step",
    "whole picture of 512x512",
    "embedded checkpoint: UNet step, guided",
    "embedded checkpoint: whole picture of 128x128",
  ];
  const results = titles.map((title, i) => ({ ...result("exact", [i + 1], [1024]), title, seconds: { [title]: [i + 1] } }));
  const text = describeRunInShort(run(["exact"], results));
  const rows = text.split("\n").filter((line) => line.startsWith("| ") && !line.startsWith("|  "));
  expect(
    rows.map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim()),
    ),
  ).toEqual([
    ["UNet step, guided", "1.00 s"],
    ["whole picture of 512x512", "4.00 s"],
    ["its peak memory", "1.00 GiB"],
    ["cold start: ready for the first step", "3.00 s"],
    ["embedded checkpoint: whole picture of 128x128", "6.00 s"],
  ]);
});

it("Markdown tables have their columns in line", () => {
  expect(
    markdownTable([
      ["a", "long head"],
      ["wide cell", "1"],
    ]),
  ).toBe(["| a         | long head |", "|-----------|-----------|", "| wide cell | 1         |"].join("\n"));
});

it("numbers have three digits and a fitting unit", () => {
  expect([0.0012345, 0.25, 1.5, 99.4, 321.7].map(formatSeconds)).toEqual(["1.23 ms", "250 ms", "1.50 s", "99.4 s", "322 s"]);
  expect([97.3, 4096].map(formatMebibytes)).toEqual(["97 MiB", "4.00 GiB"]);
});

describe("replacing between comments", () => {
  it("keeps the comments and all that is around them", () => {
    const text = "before\n<!-- bench:start -->\nold\n<!-- bench:end -->\nafter\n";
    const replaced = replaceBetween(text, "bench", "new");
    expect(replaced).toBe("before\n<!-- bench:start -->\n\nnew\n\n<!-- bench:end -->\nafter\n");
    expect(replaceBetween(replaced, "bench", "new")).toBe(replaced);
  });

  it("fails where the comments are not there, or in the wrong order", () => {
    expect(() => replaceBetween("nothing", "bench", "new")).toThrow("<!-- bench:start -->");
    expect(() => replaceBetween("<!-- bench:end --><!-- bench:start -->", "bench", "new")).toThrow("followed by");
  });

  it("finds its comments in the files that the benchmark writes to", () => {
    const places = {
      "README.md": ["bench"],
      "bench/RESULTS.md": ["bench"],
      "bench/SCALING.md": ["resolution", "batch", "steps", "savers"],
    };
    for (const [path, names] of Object.entries(places)) {
      const text = readFileSync(join(ROOT, path), "utf8");
      for (const name of names) expect(replaceBetween(text, name, "a table of now")).toContain("a table of now");
    }
  });
});
