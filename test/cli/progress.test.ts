import { describe, expect, it } from "vitest";
import { downloadLine } from "../../src/cli/download-display.js";
import { formatSeconds } from "../../src/cli/format-seconds.js";
import { StepTimer, stepLine } from "../../src/cli/progress.js";

describe("StepTimer", () => {
  it("leaves a picture's first step out of the mean when others are known", () => {
    let clock = 0;
    const timer = new StepTimer(2, () => clock);
    clock = 5000;
    expect(timer.step(0, 1, 10)).toEqual({ perStep: 5, left: 95 });
    clock = 6000;
    expect(timer.step(0, 2, 10)).toEqual({ perStep: 1, left: 18 });
    clock = 9000;
    expect(timer.step(0, 3, 10)).toEqual({ perStep: 2, left: 34 });
  });
});

describe("a line of progress", () => {
  const one = { done: 12, total: 50, picture: undefined, perStep: "0.52 s", left: "20 s" };
  const several = { done: 999, total: 1000, picture: "12/100", perStep: "3 min 20 s", left: "2 h 05 min" };

  it.each([
    [200, "██████████░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░ 12/50  0.52 s/step  20 s left"],
    [60, "███████░░░░░░░░░░░░░░░░░░░░░░ 12/50  0.52 s/step  20 s left"],
    [42, "███░░░░░░░░ 12/50  0.52 s/step  20 s left"],
    [32, "12/50  0.52 s/step  20 s left"],
    [29, "12/50 0.52 s/step 20 s left"],
    [20, "12/50 20 s left"],
    [6, "12/50"],
    [1, "12/50"],
  ])("has its numbers in %d columns, and a bar if there is room", (columns, line) => expect(stepLine(one, columns)).toBe(line));

  it.each([
    [200, `picture 12/100  ${"█".repeat(40)} 999/1000  3 min 20 s/step  2 h 05 min left`],
    [60, "picture 12/100  999/1000  3 min 20 s/step  2 h 05 min left"],
    [50, "12/100: 999/1000 3 min 20 s/step 2 h 05 min left"],
    [42, "12/100: 999/1000 2 h 05 min left"],
    [28, "12/100: 999/1000 2 h 05 min"],
    [20, "12/100: 999/1000"],
  ])("says in %d columns which picture it is", (columns, line) => expect(stepLine(several, columns)).toBe(line));

  it("of a download drops the file's name, the bar and the speed, in this order", () => {
    const download = { loaded: 1.2e9, total: 3.4e9, bytesPerSecond: 2.5e6, secondsLeft: 880, file: "unet/model.safetensors" };
    const line = (columns: number) => downloadLine({ ...download, files: { done: 0, total: 3 } }, columns);
    expect(line(120)).toMatch(/^█+░+ 35% {2}1\.2 of 3\.4 GB {2}2\.5 MB\/s {2}14 min 40 s left {2}unet\/model\.safetensors$/);
    expect(line(70)).toMatch(/^█+░+ 35% {2}1\.2 of 3\.4 GB {2}2\.5 MB\/s {2}14 min 40 s left$/);
    expect(line(42)).toBe("35% 1.2 of 3.4 GB 14 min 40 s left");
    expect(line(20)).toBe("35% 1.2 of 3.4 GB");
    for (let columns = 5; columns < 200; columns++) expect(line(columns).length).toBeLessThan(columns);
  });
});

describe("formatSeconds", () => {
  it.each([
    [0.0512, "0.05 s"],
    [0.999, "1.0 s"],
    [1.26, "1.3 s"],
    [9.96, "10 s"],
    [59.4, "59 s"],
    [200, "3 min 20 s"],
    [7500, "2 h 05 min"],
  ])("writes %d as %s", (seconds, text) => expect(formatSeconds(seconds)).toBe(text));
});
