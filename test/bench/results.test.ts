import { basename } from "node:path";
import { expect, it } from "vitest";
import { type Run, readRun, saveRun } from "../../bench/results.js";
import { temporaryFolder } from "../helpers/temporary.js";

const RUN: Run = {
  date: "2026-01-02T03:04:05.678Z",
  machine: { cpu: "AMD EPYC (Zen 5)", cores: 2, memoryGiB: 24, os: "An OS" },
  versions: { darkroom: "0.1.0" },
  checkpoint: "sd15",
  scale: "real",
  rounds: 1,
  repeats: 1,
  contenders: ["exact"],
  results: [
    {
      measurement: "unet",
      title: "UNet step",
      contender: "exact",
      seconds: { "UNet step": [1] },
      memory: [{ total: 3, anonymous: 1, file: 2 }],
    },
  ],
};

it("a saved run is read as it was", () => {
  expect(readRun(saveRun(temporaryFolder(), RUN))).toEqual(RUN);
});

it("a run's file is named after its day, checkpoint and machine; a trial's after its size, too", () => {
  const folder = temporaryFolder();
  expect(basename(saveRun(folder, RUN))).toBe("2026-01-02T0304-sd15-amd-epyc-zen-5.json");
  expect(basename(saveRun(folder, { ...RUN, scale: "tiny" }))).toBe("2026-01-02T0304-sd15-tiny-amd-epyc-zen-5.json");
});

it("a continued run replaces its saved file", () => {
  const folder = temporaryFolder();
  const path = saveRun(folder, { ...RUN, results: [] });
  expect(saveRun(folder, RUN)).toBe(path);
  expect(readRun(path).results).toHaveLength(1);
});

it("a file that is not a saved run is refused, with the missing parts", () => {
  const folder = temporaryFolder({ "other.json": { date: "2026-01-02", results: [] } });
  expect(() => readRun(`${folder}/other.json`)).toThrow(/no saved run: it has no machine, versions, checkpoint, contenders/);
});
