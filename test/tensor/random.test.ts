import { describe, expect, it } from "vitest";
import { ArgumentError } from "../../src/errors.js";
import { type FloatDType, Generator, parseSeed, rand, randint, randn, randnPerImage } from "../../src/tensor/random.js";
import { type Shape, sizeOf, type Tensor } from "../../src/tensor/tensor.js";
import { readFixture } from "../helpers/fixtures.js";

interface Draw {
  readonly key: string;
  readonly seed: string;
  readonly kind: "randn" | "rand" | "randint";
  readonly shape: Shape;
  readonly dtype: FloatDType;
  readonly stored: string;
}

const fixture = readFixture<{ draws: Draw[] }>("rng", "torch_cpu");
const seeds = [...new Set(fixture.meta.draws.map(({ seed }) => seed))];

function draw({ kind, shape, dtype }: Draw, generator: Generator): Tensor<FloatDType | "int64"> {
  if (kind === "randint") return randint(0, 1000, shape, generator);
  return (kind === "randn" ? randn : rand)(shape, generator, dtype);
}

/** The `[:, :, :4, :4]` that the fixture keeps of a large draw. */
function corner(numbers: readonly number[], [batch = 0, channels = 0, height = 0, width = 0]: Shape): number[] {
  return Array.from({ length: batch * channels * 16 }, (_, i) => {
    const plane = Math.floor(i / 16);
    return numbers[(plane * height + Math.floor((i % 16) / 4)) * width + (i % 4)] as number;
  });
}

/** The largest distance between two lists of doubles, in representable doubles. */
function ulps(actual: readonly number[], expected: readonly number[]): number {
  const ordered = (values: readonly number[]) => new BigInt64Array(Float64Array.from(values).buffer);
  const [a, b] = [ordered(actual), ordered(expected)];
  return Math.max(...Array.from(a, (value, i) => Math.abs(Number(value - (b[i] as bigint)))));
}

describe.each(seeds)("from seed %s, in torch's order", (seed) => {
  const generator = new Generator(BigInt(seed));
  const draws = fixture.meta.draws.filter((each) => each.seed === seed).map((each) => ({ each, drawn: draw(each, generator) }));

  it.each(draws)("$each.kind $each.dtype [$each.shape] gives torch's numbers ($each.key)", ({ each, drawn }) => {
    const expected = fixture.tensor(each.key);
    const numbers = each.stored === "all" ? drawn.toArray() : corner(drawn.toArray(), each.shape);
    if (each.dtype === "float64") {
      // V8's and glibc's logarithm, sine and cosine may each be off by one.
      expect(ulps(numbers, expected.toArray())).toBeLessThanOrEqual(4);
    } else {
      expect(numbers).toEqual(expected.toArray());
    }
  });
});

describe("seeds", () => {
  it.each([
    [2n ** 32n - 1n, [150890916, 210911523, 160558106]],
    [2n ** 32n, [209652404, 130329144, 118924928]],
    [2n ** 63n, [209652404, 130329144, 118924928]],
    [2n ** 64n - 1n, [150890916, 210911523, 160558106]],
    [-1, [150890916, 210911523, 160558106]],
    [-(2n ** 63n), [209652404, 130329144, 118924928]],
    [-12345, [53474981, 90507340, 210278781]],
  ])("%s starts the sequence torch starts", (seed, expected) => {
    expect(randint(0, 2 ** 28 - 1, [3], new Generator(seed)).toArray()).toEqual(expected);
  });

  it("counts a negative seed back from 2^64 as torch reports it", () => {
    expect(new Generator(-5).initialSeed).toBe(18446744073709551611n);
  });

  it("reads decimal digits", () => {
    expect(parseSeed(" 18446744073709551615 ")).toBe(2n ** 64n - 1n);
    expect(parseSeed("-1")).toBe(2n ** 64n - 1n);
    expect(parseSeed("+7")).toBe(7n);
  });

  it("takes the largest number that is still exact", () => {
    expect(parseSeed(Number.MAX_SAFE_INTEGER)).toBe(2n ** 53n - 1n);
  });

  it.each([1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, -(2 ** 53), 2n ** 64n, -(2n ** 63n) - 1n, "", "abc", "1.0", "1e3", "0x10"])(
    "refuses %s and says what is accepted",
    (seed) => {
      const refused = expect(() => parseSeed(seed));
      refused.toThrow(ArgumentError);
      refused.toThrow(expect.objectContaining({ hint: expect.stringContaining("from -2^63 to 2^64 - 1") }));
    },
  );

  it("are random when none is given", () => {
    expect(new Generator().initialSeed).not.toBe(new Generator().initialSeed);
  });
});

describe("Generator", () => {
  it("has clones that continue from the same point and do not change the original", () => {
    const generator = new Generator(3);
    randn([5], generator);
    const copy = generator.clone();
    const following = randn([40], copy).toArray();
    expect(randn([40], generator).toArray()).toEqual(following);
  });

  it("keeps the spare normal in a clone", () => {
    const generator = new Generator(5);
    randn([1], generator);
    expect(randn([1], generator.clone()).toArray()).toEqual([Math.fround(-0.6038215878840039)]);
  });
});

describe("randn", () => {
  it("keeps the spare normal of a small draw for the next small draw of any dtype, also after a large one", () => {
    const generator = new Generator(5);
    expect(randn([1], generator).toArray()).toEqual([Math.fround(-0.48678075071242677)]);
    expect(randn([16], generator).toArray().slice(0, 2)).toEqual([2.0194194316864014, -0.26861444115638733]);
    expect(randn([1], generator, "float64").toArray()[0]).toBeCloseTo(-0.6038215878840039, 14);
  });

  it.each([
    [16, -0.2472781538963318],
    [17, 0.9318265914916992],
    [31, -1.4688938856124878],
    [32, -0.843676745891571],
    [33, 1.203223705291748],
  ])("draws the last 16 of %i again unless they make a whole block", (size, last) => {
    expect(randn([size], new Generator(0)).toArray().at(-1)).toBe(last);
  });

  it.each([
    [17, -0.84375],
    [31, -0.84375],
    [33, -1.5869140625],
  ])("draws no uniforms for the incomplete block of %i in half precision", (size, last) => {
    expect(randn([size], new Generator(0), "float16").toArray().at(-1)).toBe(last);
  });

  it.each(["float32", "float16"] as const)("leaves the generator where torch leaves it after an incomplete block (%s)", (dtype) => {
    const generator = new Generator(0);
    randn([20], generator, dtype);
    expect(randint(0, 1000, [2], generator).toArray()).toEqual(dtype === "float32" ? [822, 999] : [363, 360]);
  });

  it("draws a scalar and an empty tensor", () => {
    expect(randn([], new Generator(0)).toArray()).toEqual([1.5409960746765137]);
    expect(randn([0, 4], new Generator(0)).shape).toEqual([0, 4]);
  });

  it("never gives -0", () => {
    const zeros = randn([2 ** 18], new Generator(1)).data.filter((value) => Object.is(value, -0));
    expect(zeros).toHaveLength(0);
  });
});

describe("rand", () => {
  it.each([
    ["bfloat16", 332],
    ["float16", 337],
  ] as const)("gives 0 where %s would round to 1", (dtype, index) => {
    expect(rand([index + 1], new Generator(0), dtype).toArray()[index]).toBe(0);
  });
});

describe("randint", () => {
  it("counts from low", () => {
    expect(randint(-5, 5, [8], new Generator(7)).toArray()).toEqual([0, -3, -4, 1, -2, 2, 2, 4]);
  });

  it.each([
    [2 ** 28 - 1, [59306160, 171107527, 128500261]],
    [2 ** 28, [171107524, 27798006, 174903507]],
    [2 ** 53 - 1, [2516435200042336, 2465213813633075, 7765043079599188]],
  ])("takes 64 bits for ranges from 2^28 on (%i)", (high, expected) => {
    expect(randint(0, high, [3], new Generator(7)).toArray()).toEqual(expected);
  });

  it.each([
    [0, 0],
    [3, 1],
    [0.5, 2],
    [0, Number.NaN],
  ])("refuses bounds %s and %s", (low, high) => {
    expect(() => randint(low, high, [1], new Generator(0))).toThrow(ArgumentError);
  });
});

describe("randnPerImage", () => {
  const shape = [2, 3, 4, 4];

  it("draws the whole batch from one generator", () => {
    expect(randnPerImage(shape, new Generator(1))).toEqual(randn(shape, new Generator(1)));
  });

  it("treats a list of one generator like the generator", () => {
    expect(randnPerImage(shape, [new Generator(1)])).toEqual(randn(shape, new Generator(1)));
  });

  it("draws each image from its own generator", () => {
    const batch = randnPerImage(shape, [new Generator(1), new Generator(2)]);
    expect(batch.shape).toEqual(shape);
    expect([...batch.slice(1, 2).data]).toEqual([...randn([1, 3, 4, 4], new Generator(2)).data]);
  });

  it.each([0, 3])("refuses %i generators for two images", (count) => {
    const generators = Array.from({ length: count }, (_, i) => new Generator(i));
    expect(() => randnPerImage(shape, generators)).toThrow(ArgumentError);
  });
});

it("draws the latents of a 1024-pixel batch", () => {
  expect(sizeOf(randn([4, 4, 128, 128], new Generator(0)).shape)).toBe(262144);
});
