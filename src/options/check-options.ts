import * as v from "valibot";
import { ArgumentError } from "../errors.js";
import { given, isPlain, wrongArgument } from "../given.js";
import { type Field, type Fields, has } from "./fields.js";
import { unknownOption } from "./unknown-option.js";

/** Whose options are checked. */
export interface OptionsOf {
  /** The call as messages name it: `StableDiffusionPipeline.generate`. */
  readonly call: string;
  /** What stands before the names of these options, which are part of another: `unet.`. */
  readonly prefix?: string;
  /** A call as it should be, for the hint of one without an object. */
  readonly example?: string;
  /** Says of an option that the call lacks, by its name in camelCase, where it belongs. */
  readonly elsewhere?: (name: string) => string | undefined;
}

/**
 * The options that are given, each checked against its field. As in Python, where None stands for the default, null is as good as left out, unless the
 * option takes it or it would say something else.
 * @throws ArgumentError for what is not an object, an unknown option, a wrong value, or an option that is needed and not there.
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
    if (v.is(field, value)) checked[name] = field.fields ? checkFields(value as object, field.fields, of, `${prefix}${name}.`) : value;
    else if (value !== null || field.nullIsValue) throw wrongArgument(prefix + name, value, field.expected, { type: field.type });
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

/** Whether it may be meant as options: what has none of its own, such as a picture or a promise, was given in their place. */
function isOptions(value: object): boolean {
  return isPlain(value) || !(has(value, "then") || value instanceof Uint8Array || value instanceof URL);
}
