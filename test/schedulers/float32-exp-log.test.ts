import fc from "fast-check";
import { expect, it } from "vitest";
import { expTorch, logTorch } from "../../src/schedulers/float32/exp-log.js";

// x, and torch.log(x) if it is not correctly rounded.
const LOGARITHMS = [
  [70.50469970703125, 4.255679130554199],
  [5.882333278656006, 1.7719535827636719],
  [42.58710479736328, 3.751551628112793],
  [5.465412139892578, 1.698439598083496],
  [0.6802642345428467, -0.3852739930152893],
  [98.23494720458984, 4.587362289428711],
] as const;

// x, and torch.exp(x) if it is not correctly rounded.
const EXPONENTIALS = [
  [1.1291370391845703, 3.0929863452911377],
  [-0.49105286598205566, 0.6119816899299622],
  [-3.219691038131714, 0.03996740281581879],
  [2.8885817527770996, 17.96780776977539],
  [1.9739726781845093, 7.199220180511475],
] as const;

it.each(LOGARITHMS)("takes torch's logarithm of %d", (x, log) => {
  expect(logTorch(x)).toBe(Math.fround(log));
});

it.each(EXPONENTIALS)("takes torch's exponential of %d", (x, exp) => {
  expect(expTorch(x)).toBe(Math.fround(exp));
});

it("stays within one unit in the last place", () => {
  fc.assert(
    fc.property(fc.float({ min: Math.fround(1e-6), max: Math.fround(1e6), noNaN: true }), (x) => {
      expect(Math.abs(logTorch(x) - Math.log(x))).toBeLessThanOrEqual(2 ** -23 * Math.max(Math.abs(Math.log(x)), 2 ** -20));
    }),
  );
  fc.assert(
    fc.property(fc.float({ min: -80, max: 80, noNaN: true }), (x) => {
      expect(Math.abs(expTorch(x) / Math.exp(x) - 1)).toBeLessThanOrEqual(2 ** -23);
    }),
  );
});

it("knows the ends", () => {
  expect([logTorch(0), logTorch(1), logTorch(Number.POSITIVE_INFINITY)]).toEqual([Number.NEGATIVE_INFINITY, 0, Number.POSITIVE_INFINITY]);
  expect([expTorch(Number.NEGATIVE_INFINITY), expTorch(0), expTorch(Number.POSITIVE_INFINITY)]).toEqual([0, 1, Number.POSITIVE_INFINITY]);
  expect(logTorch(-1)).toBeNaN();
});
