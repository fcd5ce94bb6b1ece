import { describe, expect, it } from "vitest";
import { durationText, observe, type Pace, secondsExpected, secondsLeft, shareDone } from "../../src/logic/time-left.js";
import { doneJob, job } from "./samples.js";

const at = (picture: number, step: number) => ({ picture, pictures: 2, step, steps: 10 });

/** The pace after steps at these milliseconds. */
function paceOf(...steps: readonly (readonly [ms: number, picture: number, step: number])[]): Pace | undefined {
  return steps.reduce<Pace | undefined>((pace, [ms, picture, step]) => observe(pace, at(picture, step), ms), undefined);
}

describe("the time left", () => {
  it("is that of the steps that are left, of all pictures, at the pace so far", () => {
    const pace = paceOf([0, 0, 1], [500, 0, 2], [2_000, 0, 5]);
    // 15 steps of half a second.
    expect(secondsLeft(at(0, 5), pace, 2_000)).toBeCloseTo(7.5);
    expect(secondsLeft(at(0, 5), pace, 2_400)).toBeCloseTo(7.1);
  });

  it("is never below nothing, however long a step takes", () => {
    expect(secondsLeft(at(1, 9), paceOf([0, 0, 1], [18_000, 1, 9]), 60_000)).toBe(0);
  });

  it("is unknown before two steps were seen, wherever the page came in", () => {
    expect(secondsLeft(at(0, 1), undefined, 0)).toBeUndefined();
    expect(secondsLeft(at(1, 4), paceOf([7_000, 1, 4]), 8_000)).toBeUndefined();
    expect(secondsLeft(at(1, 6), paceOf([7_000, 1, 4], [9_000, 1, 6]), 9_000)).toBeCloseTo(4);
  });

  it("is measured anew when a job starts again", () => {
    expect(paceOf([0, 0, 1], [1_000, 0, 8], [50_000, 0, 1])).toEqual({ first: { at: 50_000, done: 1 }, last: { at: 50_000, done: 1 } });
  });

  it("counts a step once, however often it is told", () => {
    expect(paceOf([0, 0, 1], [1_000, 0, 2], [5_000, 0, 2])?.last).toEqual({ at: 1_000, done: 2 });
  });
});

describe("the time that a waiting job may take", () => {
  it("is that of the last job of its model, by steps and pictures", () => {
    // That one took 20 s for two pictures of 50 steps.
    expect(secondsExpected(job({ request: { numInferenceSteps: 10, numImagesPerPrompt: 3 } }), [doneJob()], 50)).toBeCloseTo(6);
    expect(secondsExpected(job({ request: {} }), [doneJob()], 20)).toBeCloseTo(4);
  });

  it("is unknown for another model, for pictures of quite another size, and without a finished job", () => {
    expect(secondsExpected(job({ model: "xl" }), [doneJob()], 50)).toBeUndefined();
    expect(secondsExpected(job({ request: { width: 1024, height: 1024 } }), [doneJob()], 50)).toBeUndefined();
    expect(secondsExpected(job(), [], 50)).toBeUndefined();
    expect(secondsExpected(job(), [job({ state: "failed" })], 50)).toBeUndefined();
  });
});

it("says durations no more exactly than they are known", () => {
  const texts = [0.2, 7.4, 12, 58, 61, 200, 3_600, 3_900].map(durationText);
  expect(texts).toEqual(["1 s", "7 s", "10 s", "60 s", "1 min", "3 min", "1 h", "1 h 5 min"]);
});

it("knows how much of a job is done over all its pictures", () => {
  expect([at(0, 0), at(0, 5), at(1, 0), at(1, 10)].map(shareDone)).toEqual([0, 0.25, 0.5, 1]);
});
