import * as v from "valibot";
import type { Field, Fields } from "./fields.js";

/**
 * One valibot schema of an object with these options, strict about unknown ones. It accepts what the fields accept. To tools that turn a
 * schema into JSON Schema it shows the values that JSON can hold, with the descriptions.
 */
export function objectSchema<Options extends object>(fields: Fields<Options>): v.GenericSchema<Options> {
  const entries = Object.entries<Field<unknown>>(fields as Readonly<Record<string, Field<unknown>>>);
  return v.strictObject(
    Object.fromEntries(entries.map(([name, one]) => [name, entryOf(name, one)])),
  ) as unknown as v.GenericSchema<Options>;
}

function entryOf(name: string, one: Field<unknown>): v.GenericSchema {
  const schema = schemaOf(name, one);
  const described = one.description === undefined ? schema : v.pipe(schema, v.description(one.description));
  return one.needed === undefined ? v.optional(described) : described;
}

function schemaOf(name: string, { json, fields, items, ...one }: Field<unknown>): v.GenericSchema {
  if (fields) return objectSchema(fields);
  if (items) return v.array(objectSchema(items));
  if (!json) throw new TypeError(`the option ${name} has no schema for JSON`);
  // Checked by the field, shown as JSON.
  return { ...json, "~run": (dataset, config) => one["~run"](dataset, config) };
}
