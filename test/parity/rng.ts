import type { DType } from "../../src/tensor/dtype.js";
import { type FloatDType, Generator, parseSeed, rand, randint, randn } from "../../src/tensor/random.js";
import { type Shape, Tensor } from "../../src/tensor/tensor.js";
import type { ParityCase } from "./cases.js";
import { type Comparison, exactly, withinUlp } from "./comparison.js";

/** The tolerance of randn: torch's and our logarithm and cosine round differently. */
const RANDN_ULP = 4;

interface Draw {
  readonly key: string;
  readonly seed: string;
  readonly order: number;
  readonly kind: "randn" | "rand" | "randint";
  readonly shape: Shape;
  readonly dtype: FloatDType | "int64";
}

/** Draws of torch's CPU generator: those of one seed from one generator, in order. */
export async function compareRng({ meta, tensors }: ParityCase): Promise<Comparison[]> {
  const { draws } = meta as unknown as { draws: readonly Draw[] };
  const expected = tensors();
  const generators = new Map<string, Generator>();
  return draws
    .toSorted((a, b) => a.order - b.order)
    .map((each) => {
      const generator = generators.get(each.seed) ?? new Generator(parseSeed(each.seed));
      generators.set(each.seed, generator);
      const python = expected[each.key];
      if (!python) throw new Error(`the case has no tensor ${each.key}`);
      const drawn = corner(draw(each, generator), python.shape);
      return each.kind === "randn" ? withinUlp(each.key, drawn, python, RANDN_ULP) : exactly(each.key, drawn, python);
    });
}

function draw({ kind, shape, dtype }: Draw, generator: Generator): Tensor<DType> {
  if (kind === "randint") return randint(0, 1000, shape, generator);
  if (dtype === "int64") throw new Error(`a ${kind} of int64 makes no sense`);
  if (kind === "rand") return rand(shape, generator, dtype);
  if (kind === "randn") return randn(shape, generator, dtype);
  throw new Error(`draws of kind ${kind} are not known`);
}

/** The first entries along every axis: only a corner of a large draw is stored. */
function corner(tensor: Tensor<DType>, shape: Shape): Tensor<DType> {
  if (String(tensor.shape) === String(shape) || tensor.shape.length !== shape.length) return tensor;
  const strides = tensor.shape.map((_, axis) => tensor.shape.slice(axis + 1).reduce((product, extent) => product * extent, 1));
  const size = shape.reduce((product, extent) => product * extent, 1);
  const data = tensor.data.slice(0, size);
  for (let i = 0; i < size; i++) {
    let [rest, from] = [i, 0];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const extent = shape[axis] as number;
      from += (rest % extent) * (strides[axis] as number);
      rest = Math.floor(rest / extent);
    }
    (data as Float32Array)[i] = tensor.data[from] as number;
  }
  return new Tensor(tensor.dtype, shape, data);
}
