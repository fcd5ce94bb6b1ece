import { describe, expect, it } from "vitest";
import { type MaskAction, movedByKey, toBlackAndWhite, withoutCleared } from "../src/mask-drawing.js";

it("a mask is white where the drawing is rather opaque, and black elsewhere", () => {
  const pixels = new Uint8ClampedArray([9, 9, 9, 255, 9, 9, 9, 128, 9, 9, 9, 127, 0, 0, 0, 0]);
  expect(toBlackAndWhite(pixels)).toBe(2);
  const [white, black] = [
    [255, 255, 255, 255],
    [0, 0, 0, 255],
  ];
  expect([...pixels]).toEqual([white, white, black, black].flat());
});

it("what was cleared is not drawn again", () => {
  const stroke: MaskAction = { kind: "stroke", tool: "draw", size: 4, points: [{ x: 1, y: 1 }] };
  const clear: MaskAction = { kind: "clear" };
  const invert: MaskAction = { kind: "invert" };
  expect(withoutCleared([stroke, invert])).toEqual([stroke, invert]);
  expect(withoutCleared([stroke, clear, invert, clear, stroke])).toEqual([clear, stroke]);
});

describe("arrow keys", () => {
  const size = { width: 100, height: 50 };

  it.each([
    ["ArrowRight", { x: 60, y: 40 }],
    ["ArrowLeft", { x: 40, y: 40 }],
    ["ArrowUp", { x: 50, y: 30 }],
    ["ArrowDown", { x: 50, y: 50 }],
  ])("move the brush: %s", (key, expected) => {
    expect(movedByKey(key, { x: 50, y: 40 }, 10, size)).toEqual(expected);
  });

  it("do not leave the picture", () => {
    expect(movedByKey("ArrowDown", { x: 50, y: 45 }, 10, size)).toEqual({ x: 50, y: 50 });
    expect(movedByKey("ArrowLeft", { x: 5, y: 45 }, 10, size)).toEqual({ x: 0, y: 45 });
  });

  it("are the only keys that move it", () => {
    expect(movedByKey("Enter", { x: 5, y: 5 }, 10, size)).toBeUndefined();
  });
});
