import fc from "fast-check";
import { expect, it } from "vitest";
import { atan2Float32, sinTorch } from "../../src/schedulers/float32/trig.js";

// x, torch.sin(x) where it is not the correctly rounded one.
const SINES = [
  [1.022609829902649, 0.8534709811210632],
  [0.9323456287384033, 0.8030200004577637],
  [1.1774871349334717, 0.9236459136009216],
  [1.2840912342071533, 0.9591808915138245],
  [1.494523525238037, 0.997092604637146],
] as const;

// y, x, torch.atan2(y, x) likewise.
const ARC_TANGENTS = [
  [0.8197444677352905, 0.9831563830375671, 0.695006787776947],
  [0.5206595659255981, 0.3085840940475464, 1.0357770919799805],
  [0.4035356044769287, 0.6878005266189575, 0.5305860042572021],
  [0.19128000736236572, 0.08309638500213623, 1.160971760749817],
] as const;

it.each(SINES)("takes torch's sine of %d", (x, sine) => {
  expect(sinTorch(x)).toBe(Math.fround(sine));
});

it.each(ARC_TANGENTS)("takes torch's angle of %d over %d", (y, x, angle) => {
  expect(atan2Float32(y, x)).toBe(Math.fround(angle));
});

it("stays within one unit in the last place", () => {
  fc.assert(
    fc.property(fc.float({ min: 0, max: Math.fround(1.57), noNaN: true }), fc.float({ min: 0, max: 1, noNaN: true }), (angle, share) => {
      expect(Math.abs(sinTorch(angle) - Math.sin(angle))).toBeLessThanOrEqual(2 ** -23 * Math.sin(angle));
      expect(Math.abs(atan2Float32(share, 1) - Math.atan2(share, 1))).toBeLessThanOrEqual(2 ** -23 * share);
    }),
  );
});

it("knows the ends", () => {
  expect([sinTorch(0), sinTorch(Math.PI / 2), atan2Float32(0, 1), atan2Float32(1, 0)]).toEqual([0, 1, 0, Math.fround(Math.PI / 2)]);
});
