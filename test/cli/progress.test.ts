import { describe, expect, it } from "vitest";
import { formatSeconds } from "../../src/cli/format-seconds.js";
import { StepTimer } from "../../src/cli/progress.js";

describe("StepTimer", () => {
  it("leaves a picture's first step out of the mean once others are known", () => {
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
