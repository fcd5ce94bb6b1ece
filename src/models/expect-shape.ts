import { ArgumentError } from "../errors.js";
import { wrongArgument } from "../given.js";
import type { DType } from "../tensor/dtype.js";
import { Tensor } from "../tensor/tensor.js";

/**
 * Checks that the input `name` is a tensor of `shape`. A word in `shape` stands for any extent of at least 1. @throws ArgumentError if it
 * is not.
 */
export function expectShape(
  name: string,
  tensor: Tensor<DType>,
  shape: readonly (number | string)[],
  dtypes: readonly DType[] = ["float32"],
): void {
  if (!(tensor instanceof Tensor && dtypes.includes(tensor.dtype))) {
    throw wrongArgument(name, tensor, `a Tensor of ${dtypes.join(" or ")} [${shape.join(", ")}]`);
  }
  const { shape: found } = tensor;
  const fits = shape.every((extent, i) => (typeof extent === "string" ? (found[i] ?? 0) >= 1 : found[i] === extent));
  if (fits && found.length === shape.length) return;
  throw new ArgumentError(`${name} is [${found.join(", ")}]; expected [${shape.join(", ")}]`, { argument: name });
}
