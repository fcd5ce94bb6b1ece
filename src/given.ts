import { ArgumentError, type ArgumentErrorOptions } from "./errors.js";

/** Longer values are cut to this many characters in messages. */
const LONGEST_VALUE = 80;

/** A value as messages show it, without its type. */
export function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(cut(value));
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "function") return value.name || "a function";
  if (typeof value !== "object" || value === null) return String(value);
  if (Array.isArray(value)) {
    const first = value.slice(0, 4).map((item) => (Array.isArray(item) ? "[...]" : shown(item)));
    return cut(`[${[...first, ...(value.length > first.length ? ["..."] : [])].join(", ")}]`);
  }
  const keys = Object.keys(value);
  return cut(keys.length === 0 ? "{}" : `{ ${keys.join(", ")} }`);
}

/** A value as messages show it, with its type: `"20" (a string)`, `[1, 2] (a list)`, `a Tensor`. */
export function given(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === "function") return /^class\b/.test(String(value)) ? `the class ${value.name}` : "a function";
  if (typeof value === "object" && !Array.isArray(value)) return isPlain(value) ? `${shown(value)} (an object)` : instance(value);
  return `${shown(value)} (a ${Array.isArray(value) ? "list" : typeof value})`;
}

/**
 * The error for an argument with a wrong value. `type` is the expected `typeof`; the message names the value's type only if it is another
 * one: `strength is 2; expected a number from 0 to 1`, but `strength is "2" (a string); expected a number from 0 to 1`.
 */
export function wrongArgument(
  argument: string,
  value: unknown,
  expected: string,
  { type, ...options }: Omit<ArgumentErrorOptions, "argument"> & { readonly type?: "number" | "string" | "bigint" } = {},
): ArgumentError {
  const found = typeof value === type ? shown(value) : given(value);
  return new ArgumentError((name) => `${name(argument)} is ${found}; expected ${expected}`, { argument, ...options });
}

/** Whether a value is a plain object, as `{}` makes it, not an instance of a class. */
export function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  // Not compared with Object.prototype: an object from another realm (a vm, a test runner) has another one.
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function instance(value: object): string {
  if ("dtype" in value && "shape" in value) return `a Tensor of ${value.dtype} [${value.shape}]`;
  const name = (value.constructor as { name?: string } | undefined)?.name || "object";
  return withArticle(name);
}

/** A class's name with its article. UNet has "a", so U is not among the vowels. */
export function withArticle(name: string): string {
  return `${/^[AEIO]/i.test(name) ? "an" : "a"} ${name}`;
}

function cut(text: string): string {
  return text.length > LONGEST_VALUE ? `${text.slice(0, LONGEST_VALUE)}...` : text;
}
