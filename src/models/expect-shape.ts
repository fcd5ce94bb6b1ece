import { ArgumentError } from "../errors.js";
import type { DType } from "../tensor/dtype.js";
import type { Tensor } from "../tensor/tensor.js";

/** @throws ArgumentError unless the input `name` has `shape`, in which a word stands for any extent from 1 up. */
export function expectShape(name: string, { shape: found }: Tensor<DType>, shape: readonly (number | string)[]): void {
  const fits = shape.every((extent, i) => (typeof extent === "string" ? (found[i] ?? 0) >= 1 : found[i] === extent));
  if (fits && found.length === shape.length) return;
  throw new ArgumentError(`${name} is [${found.join(", ")}]; expected [${shape.join(", ")}]`, { argument: name });
}
