import fc from "fast-check";
import { expect, it } from "vitest";
import { sinTorch } from "../../src/schedulers/float32/sin.js";

// x, and torch.sin(x) if it is not correctly rounded.
const SINES = [
  [1.022609829902649, 0.8534709811210632],
  [0.9323456287384033, 0.8030200004577637],
  [1.1774871349334717, 0.9236459136009216],
  [1.2840912342071533, 0.9591808915138245],
  [1.494523525238037, 0.997092604637146],
] as const;

it.each(SINES)("takes torch's sine of %d", (x, sine) => {
  expect(sinTorch(x)).toBe(Math.fround(sine));
});

it("stays within one unit in the last place", () => {
  fc.assert(
    fc.property(fc.float({ min: 0, max: Math.fround(1.57), noNaN: true }), (angle) => {
      expect(Math.abs(sinTorch(angle) - Math.sin(angle))).toBeLessThanOrEqual(2 ** -23 * Math.sin(angle));
    }),
  );
});

it("is exact at 0 and at pi/2", () => {
  expect([sinTorch(0), sinTorch(Math.PI / 2)]).toEqual([0, 1]);
});
