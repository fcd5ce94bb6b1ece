import { expect, it } from "vitest";
import { family } from "../../bench/checkpoints/families.js";
import { unetTensors } from "../../bench/checkpoints/unet.js";
import { baselinePath, describeQuickRun, type QuickRow, type QuickRun, readBaseline, saveBaseline } from "../../bench/quick/baseline.js";
import { openCalibration } from "../../bench/quick/calibration.js";
import { temporaryFolder } from "../helpers/temporary.js";

function run(rows: Readonly<Record<string, QuickRow>>, rest: Partial<QuickRun> = {}): QuickRun {
  return {
    date: "2026-01-02T03:04:05.678Z",
    kind: "amd-avx2",
    machine: { cpu: "A Processor", cores: 2, memoryGiB: 24, os: "An OS" },
    versions: { darkroom: "0.1.0" },
    rounds: 3,
    calibration: { seconds: 0.01, processor: 0.02 },
    rows,
    ...rest,
  };
}

const row = (time: number, processor: number, memory = 100): QuickRow => ({ time, processor, memory });

it("a baseline is read as it was saved, and a kind without one has none", () => {
  const path = baselinePath("amd-avx2", temporaryFolder());
  expect(readBaseline(path)).toBeUndefined();
  const baseline = run({ step: row(10, 20) });
  saveBaseline(path, baseline);
  expect(readBaseline(path)).toEqual(baseline);
});

it("a run is told in ratios to its baseline, and what takes longer in both kinds of time is named", () => {
  const baseline = run({ step: row(10, 20), decode: row(10, 20), start: row(4, 4), gone: row(1, 1) });
  const now = run({ step: row(15, 26, 150), decode: row(15, 20), start: row(2, 2), later: row(1, 1) });
  const text = describeQuickRun(now, baseline);
  expect(text).toMatch(/\| step +\| 1\.50 +\| 1\.30 +\| 150 MiB \(1\.50\) +\|/);
  expect(text).toMatch(/\| later +\| new /);
  // Others have used the machine while it decoded: the processor time is the same.
  expect(text).toContain("Slower: step. Faster: start.");
  expect(text).toContain("Not measured this time: gone.");
  expect(text).not.toContain("another number of cores");
});

it("a run on another number of cores says so", () => {
  const rows = { step: row(10, 20) };
  const now = run(rows, { machine: { ...run(rows).machine, cores: 8 } });
  expect(describeQuickRun(now, run(rows))).toContain("There are 8 cores now: with another number of cores, ratios differ.");
});

it("the networks of quick runs have half the width, as many layers and heads of the same width", () => {
  const [half, full] = (["half", "real"] as const).map((scale) => family("sd15", scale).unet);
  expect(half?.block_out_channels.map((width) => 2 * width)).toEqual(full?.block_out_channels);
  expect([...unetTensors(half as NonNullable<typeof half>)]).toHaveLength(686);
  expect(half?.attention_head_dim).toBe(4);
});

it("the calibration gives the time of a product, and its processor time", async () => {
  const calibrate = await openCalibration();
  const { seconds, processor } = await calibrate();
  expect(seconds).toBeGreaterThan(0);
  expect(processor).toBeGreaterThan(0);
});
