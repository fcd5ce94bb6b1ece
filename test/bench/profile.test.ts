import { describe, expect, it } from "vitest";
import { describeProfile, type ProfileEvent } from "../../bench/profile.js";

const run = (ts: number, dur: number): ProfileEvent => ({ cat: "Session", name: "model_run", ts, dur });
const node = (ts: number, op: string, dur: number, shape: readonly number[]): ProfileEvent => ({
  cat: "Node",
  name: `n_${op}_kernel_time`,
  ts,
  dur,
  args: { op_name: op, input_type_shape: [{ float: shape }] },
});

describe("a profile", () => {
  const preparation = [run(0, 3e6), node(1, "Mul", 3e6, [9])];
  const network = [
    // The first run of several does not count.
    run(0, 9e6),
    node(10, "Conv", 9e6, [2, 4]),
    run(10e6, 4e6),
    node(10e6 + 1, "Conv", 3e6, [2, 4]),
    node(13e6, "Gemm", 0.5e6, [2]),
    run(20e6, 4e6),
    node(20e6 + 1, "Conv", 1e6, [2, 4]),
    node(21e6, "Conv", 2e6, [2, 8]),
    node(23e6, "Gemm", 0.5e6, [2]),
  ];
  const text = describeProfile("UNet", [preparation, network]);
  const rows = (title: string) =>
    (text.split(`| ${title} `)[1] ?? "")
      .split("\n\n")[0]
      ?.split("\n")
      .slice(2)
      .map((line) =>
        line
          .split("|")
          .slice(1, -1)
          .map((cell) => cell.trim()),
      );

  it("shows the time of a run, and of the preparation at load", () => {
    expect(text).toContain("UNet: 3.50 s in operators, and 3.00 s once at load");
  });

  it("ranks operators by their time in a run", () => {
    expect(rows("operator")).toEqual([
      ["Conv", "2", "3.00 s", "85.7 %"],
      ["Gemm", "1", "500 ms", "14.3 %"],
    ]);
  });

  it("ranks them by their shapes, too", () => {
    expect(rows("operator on inputs")).toEqual([
      ["Conv 2x4", "1", "2.00 s", "57.1 %"],
      ["Conv 2x8", "1", "1.00 s", "28.6 %"],
      ["Gemm 2", "1", "500 ms", "14.3 %"],
    ]);
  });
});
