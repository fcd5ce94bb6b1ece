import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ArgumentError } from "../../src/errors.js";
import type { DType } from "../../src/tensor/dtype.js";
import { roundTiesToEven } from "../../src/tensor/round.js";
import { sizeOf, Tensor } from "../../src/tensor/tensor.js";
import { readFixture } from "../helpers/fixtures.js";

interface Case {
  readonly operation: string;
  readonly input: string;
  readonly args: readonly unknown[];
  readonly outputs: readonly string[];
}

const fixture = readFixture<{ cases: Case[] }>("tensor", "operations");

/** Sums are computed in another order than in torch. */
const SUMS = ["sum", "mean", "std"];

/** 0, 1, 2, ... in the given shape. */
function counted(...shape: number[]): Tensor {
  return Tensor.from(
    Array.from({ length: sizeOf(shape) }, (_, i) => i),
    shape,
  );
}

type Operations = Readonly<Record<string, (...args: unknown[]) => Tensor<DType> | Tensor<DType>[]>>;

describe("Tensor gives what torch gives", () => {
  it.each(
    fixture.meta.cases.map((each, i) => ({ ...each, title: `${i}: ${each.operation}(${JSON.stringify(each.args)}) of ${each.input}` })),
  )("$title", ({ operation, input, args, outputs }) => {
    const tensor = fixture.tensor(`input.${input}`) as unknown as Operations;
    const given = tensor[operation]?.(...args.map((arg) => arg ?? undefined));
    const results = Array.isArray(given) ? given : [given];
    expect(results.length).toBe(outputs.length);
    for (const [i, name] of outputs.entries()) {
      const [result, expected] = [results[i] as Tensor<DType>, fixture.tensor(name)];
      expect({ dtype: result.dtype, shape: result.shape }).toEqual({ dtype: expected.dtype, shape: expected.shape });
      if (!SUMS.includes(operation)) expect(result.toArray()).toEqual(expected.toArray());
      else for (const [at, value] of expected.toArray().entries()) expectClose(result.toArray()[at] as number, value);
    }
  });

  function expectClose(actual: number, expected: number): void {
    if (Number.isNaN(expected)) expect(actual).toBeNaN();
    else expect(Math.abs(actual - expected)).toBeLessThanOrEqual(2e-6 * Math.max(1, Math.abs(expected)));
  }
});

describe("Tensor", () => {
  const shapes = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 5 });
  const shapeAndOrder = shapes.chain((shape) =>
    fc.tuple(
      fc.constant(shape),
      fc.shuffledSubarray(
        shape.map((_, i) => i),
        { minLength: shape.length },
      ),
    ),
  );

  it("comes back from any order of axes by the inverse order", () => {
    fc.assert(
      fc.property(shapeAndOrder, ([shape, order]) => {
        const tensor = counted(...shape);
        const back = tensor.permute(order).permute(...order.map((_, axis) => order.indexOf(axis)));
        expect(back).toEqual(tensor);
      }),
    );
  });

  it("moves the number at i, j, k as the order of axes says", () => {
    const permuted = counted(2, 3, 4).permute(2, 0, 1);
    expect(permuted.data[(3 * 2 + 1) * 3 + 2]).toBe((1 * 3 + 2) * 4 + 3);
  });

  it("loses nothing between chunks, whatever the axis", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), fc.integer({ min: -3, max: 2 }), (count, axis) => {
        const tensor = counted(6, 6, 6);
        let parts: Tensor[];
        try {
          parts = tensor.chunk(count, axis);
        } catch (error) {
          // torch gives 3 parts if 4 or 5 are requested.
          expect([count, error instanceof ArgumentError]).toEqual([count === 4 ? 4 : 5, true]);
          return;
        }
        expect(parts.length).toBe(count);
        expect(parts.reduce((sum, part) => sum + part.sum().item(), 0)).toBe(tensor.sum().item());
      }),
    );
  });

  it("shares its numbers with the results of squeeze, unsqueeze and slices of rows", () => {
    const tensor = counted(1, 4);
    for (const seen of [tensor.squeeze(), tensor.unsqueeze(-1), tensor.slice(0, 1)]) expect(seen.data.buffer).toBe(tensor.data.buffer);
  });

  it("rounds ties to even, as the nearest of two whole numbers", () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e6, max: 1e6 }), (value) => {
        const rounded = roundTiesToEven(value);
        expect(Number.isInteger(rounded)).toBe(true);
        expect(Math.abs(rounded - value)).toBeLessThanOrEqual(0.5);
        if (Math.abs(rounded - value) === 0.5) expect(Math.abs(rounded % 2)).toBe(0);
      }),
    );
  });

  it("broadcasts the other tensor over axes of extent 1 and over missing axes, as torch does", () => {
    const tensor = counted(2, 3);
    expect(tensor.add(Tensor.from([10, 20], [2, 1])).toArray()).toEqual([10, 11, 12, 23, 24, 25]);
    expect(tensor.mul(Tensor.from([1, 0, 2])).toArray()).toEqual([0, 0, 4, 3, 0, 10]);
    expect(tensor.sub(tensor.mean()).toArray()).toEqual([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5]);
    expect(
      tensor
        .div(tensor.sum(1, { keepdim: true }))
        .sum(1)
        .toArray(),
    ).toEqual([1, 1]);
  });

  it("computes an extent of -1 from the other extents, as torch does", () => {
    expect(counted(2, 3, 4).reshape([2, -1]).shape).toEqual([2, 12]);
    expect(counted(2, 3, 4).reshape([-1]).shape).toEqual([24]);
  });

  it.each([
    ["a tensor that is larger", () => counted(3).add(counted(2, 3)), "tensors of shapes [3] and [2,3] do not match"],
    ["a shape that does not stretch", () => counted(2, 3).add(counted(2)), "tensors of shapes [2,3] and [2] do not match"],
    ["an axis too many", () => counted(2, 3).permute(0, 1, 2), "axis 2 is outside a tensor of shape [2,3]; expected -2 to 1"],
    ["an axis too few", () => counted(2, 3).permute(0), "permute was given 1 axes for a tensor of shape [2,3]; expected 2"],
    ["an axis twice", () => counted(2, 3).permute(0, -2), "axis 0 of a tensor of shape [2,3] is named twice in [0,-2]"],
    ["half an axis", () => counted(2, 3).squeeze(0.5), "axis 0.5 is outside a tensor of shape [2,3]"],
    ["a new axis that is too far", () => counted(2, 3).unsqueeze(3), "axis 3 is outside a tensor of shape [2,3]; expected -3 to 2"],
    ["a mean along no axis", () => counted(2, 3).mean(-3), "axis -3 is outside"],
    ["a sum along one axis twice", () => counted(2, 3).sum([1, -1]), "named twice"],
    ["chunks of an axis that is not there", () => counted(2, 3).chunk(1, 2), "axis 2 is outside"],
    ["no chunks", () => counted(2, 3).chunk(0), "count is 0; expected a whole number, at least 1"],
    ["places that are not there", () => counted(2, 3).slice(1, 4, 1), "places of axis 1 1 to 4 are outside a tensor of shape [2,3]"],
    ["a shape of other numbers", () => counted(2, 3).reshape([4, -1]), "a tensor of shape [2,3] does not fit into [4,-1]"],
    ["a shape with two places open", () => counted(2, 3).reshape([-1, -1]), "a tensor of shape [2,3] does not fit into [-1,-1]"],
    ["an item of many", () => counted(2, 3).item(), "item needs a tensor of one number; shape [2,3] has 6"],
    // @ts-expect-error: arithmetic is defined for float32
    ["arithmetic on bytes", () => counted(2).to("uint8").add(1), "arithmetic is defined for float32; this tensor is uint8"],
    // @ts-expect-error: a number, not its text
    ["a text to add", () => counted(2).add("1"), 'other is "1" (a string); expected a Tensor or a number'],
    // @ts-expect-error: nothing to add
    ["nothing to add", () => counted(2).add(null), "other is null; expected a Tensor or a number"],
    // @ts-expect-error: an axis is a number
    ["an axis by name", () => counted(2).mean("rows"), 'axis "rows" is outside a tensor of shape [2]'],
  ] as [string, () => unknown, string][])("refuses %s", (_, attempt, message) => {
    expect(attempt).toThrow(ArgumentError);
    expect(attempt).toThrow(message);
  });
});
