import * as v from "valibot";
import { HttpError } from "../http-error.js";
import type { JsonSchema } from "../openapi/json-schema.js";

// AUTOMATIC1111 checks bodies with pydantic: null means the default, numbers may be texts, flags may be 0 and 1, and other fields are let
// pass.

/** The field is missing, null, or what `schema` makes of it. */
export function given<Output>(schema: v.GenericSchema<unknown, Output>) {
  return v.pipe(
    v.nullish(schema),
    v.transform((value) => value ?? undefined),
  );
}

const number = v.pipe(
  v.unknown(),
  v.transform((value) => (typeof value === "string" && value.trim() !== "" ? Number(value) : value)),
  v.number("value is not a valid number"),
  v.finite("value is not a finite number"),
);

/** A field with the JSON Schema that documents it. */
function shown<Schema extends v.GenericSchema>(json: JsonSchema, schema: Schema): Schema & { readonly json: JsonSchema } {
  return { ...schema, json };
}

/** A field with what it means. */
export function described<Schema extends { readonly json: JsonSchema }>(description: string, schema: Schema): Schema {
  return { ...schema, json: { ...schema.json, description } };
}

/** The JSON Schemas of fields. */
export function jsonOf(fields: Readonly<Record<string, { readonly json: JsonSchema }>>): Readonly<Record<string, JsonSchema>> {
  return Object.fromEntries(Object.entries(fields).map(([name, { json }]) => [name, json]));
}

/** A number from `least` to `most`. */
export function real(least = Number.NEGATIVE_INFINITY, most = Number.POSITIVE_INFINITY) {
  const range = { ...(Number.isFinite(least) && { minimum: least }), ...(Number.isFinite(most) && { maximum: most }) };
  return shown(
    { type: "number", ...range },
    given(v.pipe(number, v.minValue(least, `value must be at least ${least}`), v.maxValue(most, `value must be at most ${most}`))),
  );
}

/** A whole number from `least` up. A fraction is dropped, as Python's `int` drops it. */
export function whole(least = Number.MIN_SAFE_INTEGER) {
  const range = least === Number.MIN_SAFE_INTEGER ? {} : { minimum: least };
  return shown(
    { type: "integer", ...range },
    given(v.pipe(number, v.transform(Math.trunc), v.minValue(least, `value must be at least ${least}`))),
  );
}

export const text = shown({ type: "string" }, given(v.string("value is not a text")));

export const flag = shown(
  { type: "boolean" },
  given(
    v.pipe(
      v.unknown(),
      v.transform((value) => FLAGS.get(typeof value === "string" ? value.toLowerCase() : value) ?? value),
      v.boolean("value could not be parsed to a boolean"),
    ),
  ),
);

const FLAGS = new Map<unknown, boolean>([
  [0, false],
  [1, true],
  ["0", false],
  ["1", true],
  ["false", false],
  ["true", true],
]);

const NO_INTEGER = "value is not a valid integer";

/** A seed: a whole number, or its digits. */
export const seed = shown(
  { type: ["integer", "string"] },
  given(
    v.pipe(
      v.union([v.pipe(v.number(), v.integer(NO_INTEGER)), v.pipe(v.string(), v.trim(), v.regex(/^-?\d{1,20}$/, NO_INTEGER))], NO_INTEGER),
      v.transform((value) => BigInt(value)),
    ),
  ),
);

export const anything = shown({}, given(v.unknown()));

export const list = shown({ type: "array", items: {} }, given(v.array(v.unknown(), "value is not a list")));

export const object = shown({ type: "object" }, given(v.record(v.string(), v.unknown(), "value is not an object")));

/** What the schema makes of a body. @throws HttpError with the fields that are wrong, as FastAPI lists them */
export function readFields<Schema extends v.GenericSchema>(schema: Schema, body: unknown): v.InferOutput<Schema> {
  const read = v.safeParse(schema, body);
  if (read.success) return read.output;
  throw new InvalidFields(
    read.issues.map((issue) => ({
      loc: ["body", ...(issue.path ?? []).map(({ key }) => key as string | number)],
      msg: issue.message,
      type: "value_error",
    })),
  );
}

/** A wrong field, as FastAPI describes it. */
export interface InvalidField {
  /** "body", then the way to the field. */
  readonly loc: readonly (string | number)[];
  readonly msg: string;
  readonly type: string;
}

/** Fields that are wrong. */
export class InvalidFields extends HttpError {
  constructor(readonly fields: readonly InvalidField[]) {
    const [first] = fields;
    const param = first?.loc.slice(1).join(".");
    super(422, `${param}: ${first?.msg}`, { code: "invalid_fields", param });
  }
}
