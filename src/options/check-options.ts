import * as v from "valibot";
import { ArgumentError } from "../errors.js";
import { given, isPlain, wrongArgument } from "../given.js";
import { type Field, type Fields, hasMethods } from "./fields.js";
import { type CheckedCall, unknownOption } from "./unknown-option.js";

/** The call whose options are checked, and how messages show it. */
export interface OptionsOf extends CheckedCall {
  /** Prefix of the options' names in messages, for options inside another option: `unet.`. */
  readonly prefix?: string;
  /** An example call, for the hint of a call without an options object. */
  readonly example?: string;
}

/**
 * The given options, each checked against its field. As None does in Python, null means the default, unless the field takes null or sets
 * `nullIsValue`.
 * @throws ArgumentError if `options` is not an object, for an unknown option, a wrong value or a missing required option.
 */
export function checkOptions<Options extends object>(options: unknown, fields: Fields<Options>, of: OptionsOf): Options {
  if (typeof options !== "object" || options === null || Array.isArray(options) || !isOptions(options)) {
    throw new ArgumentError(`${of.call} was given ${given(options)}; expected an object with options`, { hint: of.example });
  }
  return checkFields(options, fields as Fields<object>, of, of.prefix ?? "") as Options;
}

function checkFields(options: object, fields: Fields<object>, of: OptionsOf, prefix: string): object {
  const checked: Record<string, unknown> = {};
  const known = fields as Readonly<Record<string, Field<unknown>>>;
  for (const name in options) {
    const value: unknown = (options as Readonly<Record<string, unknown>>)[name];
    const field = Object.hasOwn(known, name) ? known[name] : undefined;
    if (value === undefined) continue;
    if (!field) throw unknownOption(name, Object.keys(known), of, prefix);
    if (v.is(field, value)) checked[name] = checkInside(value, field, of, prefix + name);
    else if (value !== null || field.nullIsValue) throw wrongValue(prefix + name, value, field);
  }
  for (const [name, { needed, expected }] of Object.entries(known)) {
    if (needed !== undefined && checked[name] === undefined) {
      throw new ArgumentError((option) => `${of.call} needs ${option(prefix + name)}: ${expected}`, {
        argument: prefix + name,
        hint: needed,
      });
    }
  }
  return checked;
}

/** The value of an option with options of its own: an object, or a list of objects. */
function checkInside(value: unknown, { fields, items }: Field<unknown>, of: OptionsOf, name: string): unknown {
  if (fields) return checkFields(value as object, fields, of, `${name}.`);
  if (!items) return value;
  return (value as readonly object[]).map((item, i) => checkFields(item, items, of, `${name}[${i}].`));
}

/** The value of one argument. @throws ArgumentError unless the field takes it. */
export function expectField<Value>(name: string, value: Value, field: Field<Value>): Value {
  if (v.is(field, value)) return value;
  throw wrongValue(name, value, field);
}

function wrongValue<Value>(name: string, value: unknown, { expected, type, hint }: Field<Value>): ArgumentError {
  return wrongArgument(name, value, expected, { type, hint: hint?.(value) });
}

/** Whether a value can be an options object. A promise, bytes or a URL was probably passed by mistake. */
function isOptions(value: object): boolean {
  return isPlain(value) || !(hasMethods(value, "then") || value instanceof Uint8Array || value instanceof URL);
}
