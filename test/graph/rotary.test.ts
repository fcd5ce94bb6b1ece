import { describe, expect, it } from "vitest";
import { layerNormalize, rmsNormalize } from "../../src/graph/ops/norms.js";
import { rotate } from "../../src/graph/ops/rotary.js";
import { rotaryTables } from "../../src/layers/rotary.js";
import { gridPositions } from "../../src/tensor/grid-positions.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { evaluate, ramp } from "./onnx-runtime.js";

const AXES = { axes: [2, 4, 6], theta: 100 };
const width = 12;

/** The definition: each pair of channels is a complex number, which is multiplied by the position's. */
function rotated(x: Tensor, rows: readonly (readonly number[])[], { interleaved }: { interleaved: boolean }): number[] {
  const { cos, sin } = rotaryTables(
    rows.flat().map((row) => positions[row] as number[]),
    AXES,
  );
  const result = new Float32Array(x.size);
  const half = width / 2;
  for (let head = 0; head < x.size / width; head++) {
    const token = Math.floor(head / 2);
    for (let i = 0; i < half; i++) {
      const [a, b] = interleaved ? [2 * i, 2 * i + 1] : [i, i + half];
      const [p, q] = [x.data[head * width + a] as number, x.data[head * width + b] as number];
      const [c, s] = [cos.data[token * half + i] as number, sin.data[token * half + i] as number];
      result[head * width + a] = p * c - q * s;
      result[head * width + b] = p * s + q * c;
    }
  }
  return [...result];
}

const positions = gridPositions(2, 3, 7);

describe("rotary embedding", () => {
  it.each([true, false])("rotates pairs of channels by the angles of the position (neighbours: %s)", async (interleaved) => {
    const x = ramp([1, 6, 2 * width]);
    const tables = rotaryTables(positions, AXES);
    const { result } = await evaluate((_, input) => rotate(input(x), { cos: input(tables.cos), sin: input(tables.sin) }, { interleaved }));
    const expected = rotated(x, [[0, 1, 2, 3, 4, 5]], { interleaved });
    expect(result.shape).toEqual(x.shape);
    for (const [i, value] of result.data.entries()) expect(value).toBeCloseTo(expected[i] as number, 5);
  });

  it("takes the rows of the tables that each picture of a batch names", async () => {
    const x = ramp([2, 3, 2 * width]);
    const tables = rotaryTables(positions, AXES);
    const rows = [
      [0, 1, 2],
      [5, 3, 1],
    ];
    const { result } = await evaluate((_, input) =>
      rotate(
        input(x),
        { cos: input(tables.cos), sin: input(tables.sin) },
        { interleaved: true, rows: input(new Tensor("int64", [2, 3], BigInt64Array.from(rows.flat(), BigInt))) },
      ),
    );
    const expected = rotated(x, rows, { interleaved: true });
    for (const [i, value] of result.data.entries()) expect(value).toBeCloseTo(expected[i] as number, 5);
  });
});

describe("norms", () => {
  it("divides by the root mean square, with a gain or without", async () => {
    const x = ramp([2, 3, 5]);
    const { result } = await evaluate((_, input) => rmsNormalize(input(x), 1e-3));
    const row = [...x.data.subarray(5, 10)];
    const length = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0) / 5 + 1e-3);
    for (const [i, value] of row.entries()) expect(result.data[5 + i]).toBeCloseTo(value / length, 5);
    const { result: gained } = await evaluate((_, input) => rmsNormalize(input(x), 1e-3, input(ramp([5]))));
    for (const [i, value] of row.entries()) expect(gained.data[5 + i]).toBeCloseTo((value / length) * Math.sin(i + 1), 5);
  });

  it("normalises layers without weights", async () => {
    const x = ramp([2, 4]);
    const { result } = await evaluate((_, input) => layerNormalize(input(x), 0));
    const row = [...result.data.subarray(0, 4)];
    expect(row.reduce((sum, value) => sum + value, 0)).toBeCloseTo(0, 5);
    expect(row.reduce((sum, value) => sum + value * value, 0) / 4).toBeCloseTo(1, 4);
  });
});
