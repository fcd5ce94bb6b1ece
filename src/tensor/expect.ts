import { ArgumentError } from "../errors.js";
import { isPlain, wrongArgument } from "../given.js";
import { arrayName, type DataOf, type DType, isDType } from "./dtype.js";
import type { Shape } from "./tensor.js";

// Checks the arguments of tensor methods. src/options imports tensors, so its checks cannot be used here.

/** @throws ArgumentError unless it is a list of whole numbers of at least `least`. */
export function expectExtents(shape: Shape, least = 0): Shape {
  if (Array.isArray(shape) && shape.every((extent) => Number.isSafeInteger(extent) && extent >= least)) return shape;
  throw wrongArgument("shape", shape, "a list of whole numbers, such as [1, 3, 64, 64]");
}

/** @throws ArgumentError unless it is a number; NaN and infinity are numbers. */
export function expectNumeric(name: string, value: number): number {
  if (typeof value === "number") return value;
  throw wrongArgument(name, value, "a number", { type: "number" });
}

/** @throws ArgumentError unless it is a whole number of at least `least`. */
export function expectWhole(name: string, value: number, least: number): number {
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw wrongArgument(name, value, `a whole number, at least ${least}`, { type: "number" });
}

/** @throws ArgumentError unless it is an object that has only these options, with these types. */
export function expectOptions(options: object, types: Readonly<Record<string, "boolean" | "number">>): void {
  const known = Object.keys(types).join(", ");
  if (!isPlain(options)) throw wrongArgument("options", options, `an object: { ${known} }`);
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(types, name)) {
      throw new ArgumentError(`there is no option ${name}`, { argument: name, hint: `the options are ${known}` });
    }
    const type = types[name];
    if (value !== undefined && typeof value !== type) throw wrongArgument(name, value, type === "boolean" ? "true or false" : "a number");
  }
}

/** @throws ArgumentError unless it is a list of numbers: an array or a typed array. */
export function expectNumbers(values: ArrayLike<number>): void {
  const isList = Array.isArray(values) ? values.every((value) => typeof value === "number") : isTyped(values) && !isBig(values);
  if (!isList) throw wrongArgument("values", values, "a list of numbers");
}

/** @throws ArgumentError unless `data` is the typed array that holds `dtype`. */
export function expectData<D extends DType>(dtype: D, data: DataOf<D>): void {
  if (typeName(data) !== arrayName(dtype)) throw wrongArgument("data", data, `a ${arrayName(dtype)}, which holds ${dtype}`);
}

/** @throws ArgumentError unless it is a dtype's name. */
export function expectDType<D extends DType>(dtype: D): D {
  if (isDType(dtype)) return dtype;
  throw wrongArgument("dtype", dtype, 'a dtype, such as "float32", "float16", "int64" or "uint8"', { type: "string" });
}

function isTyped(value: unknown): boolean {
  return ArrayBuffer.isView(value) && !(value instanceof DataView);
}

function isBig(value: unknown): boolean {
  return typeName(value).startsWith("Big");
}

/** The class of a typed array, also of another realm. */
function typeName(value: unknown): string {
  return Object.prototype.toString.call(value).slice("[object ".length, -1);
}
