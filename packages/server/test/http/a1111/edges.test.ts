import { describe, expect, it } from "vitest";
import { edgesOf } from "../../../src/http/a1111/edges.js";
import type { Raster } from "../../../src/http/a1111/raster.js";

const SIDE = 12;

/** A grey picture. */
function picture(grey: (x: number, y: number) => number): Raster {
  const data = Buffer.from(Array.from({ length: SIDE * SIDE }, (_, i) => grey(i % SIDE, Math.floor(i / SIDE))));
  return { data, width: SIDE, height: SIDE, channels: 1 };
}

/** The edges as rows of dots. */
async function drawn(image: Raster, low = 100, high = 200): Promise<string[]> {
  const { data, channels } = await edgesOf(image, low, high);
  expect(channels).toBe(3);
  const dots = Array.from({ length: SIDE * SIDE }, (_, i) => (data[3 * i] === 255 ? "#" : "."));
  return Array.from({ length: SIDE }, (_, row) => dots.slice(row * SIDE, (row + 1) * SIDE).join(""));
}

const isInside = (x: number, y: number) => x >= 4 && x < 8 && y >= 4 && y < 8;

describe("edges", () => {
  it("are a line one pixel wide around a square", async () => {
    const rows = await drawn(picture((x, y) => (isInside(x, y) ? 255 : 0)));
    for (const row of rows.slice(5, 7)) expect(row).toMatch(/^\.{3,4}#\.{3}#\.+$/);
    expect(rows.slice(0, 3).join("")).not.toContain("#");
    expect(rows.slice(9).join("")).not.toContain("#");
  });

  it("are none in a flat picture, and none below the lower threshold", async () => {
    const none = Array<string>(SIDE).fill(".".repeat(SIDE));
    expect(await drawn(picture(() => 128))).toEqual(none);
    expect(await drawn(picture((x) => (x < 6 ? 100 : 120)))).toEqual(none);
  });

  it("as strong as the lower threshold count where they touch a strong one", async () => {
    // A step of 40 at the top and of 100 at the bottom: slopes of 160 and 400.
    const step = (x: number, y: number) => (x < 6 ? 0 : y < 6 ? 40 : 100);
    expect((await drawn(picture(step)))[1]).toContain("#");
    const alone = (x: number) => (x < 6 ? 0 : 40);
    expect((await drawn(picture(alone))).join("")).not.toContain("#");
  });
});
