import * as v from "valibot";
import { isPlain, withArticle } from "../given.js";
import { Tensor } from "../tensor/tensor.js";
import type { Wording } from "../wording.js";

/** The values that an option takes: a valibot schema whose message says what is expected. Its type is invariant: exactly `Value`. */
export type Field<Value> = v.GenericSchema<Value> & FieldNotes & { readonly "~takes"?: (value: Value) => void };

/** What checks and messages need to know of an option. */
interface FieldNotes {
  /** What is expected, as messages say it. */
  readonly expected: string;
  /** The `typeof` of its values. Messages about a value of this type do not name the type. */
  readonly type?: "number" | "string" | undefined;
  /** Fields of an option that is an object itself. */
  readonly fields?: Fields<object>;
  /** Fields of each item of an option that is a list of objects. */
  readonly items?: Fields<object>;
  /** What the option means, its default included. */
  readonly description?: string;
  /**
   * The values that JSON can hold, as a schema that JSON Schema can express. Without it, the option cannot be a part of
   * {@link objectSchema}.
   */
  readonly json?: v.GenericSchema;
  /** Set if the option is required: the hint of the error if it is missing. */
  readonly needed?: string;
  /** What to do about a wrong value, if more can be said than what is expected. */
  readonly hint?: (value: unknown) => Wording | undefined;
  /** Null does not mean the default here: it is checked like any other value. */
  readonly nullIsValue?: boolean;
}

/** A required option. */
export type NeededField<Value> = Field<Value> & { readonly needed: string };

/**
 * The field of every option of an options interface, declared below that interface. The compiler reports a difference between the two: a
 * missing option, another type, or an option that is optional in only one of them.
 */
export type Fields<Options> = {
  readonly [Name in keyof Options]-?: undefined extends Options[Name]
    ? Field<Exclude<Options[Name], undefined>>
    : NeededField<Options[Name]>;
};

/** Values that `is` accepts; `expected` says which. */
export function field<Value>(is: (value: unknown) => boolean, expected: string, type?: FieldNotes["type"]): Field<Value> {
  return { ...v.custom<Value>(is, expected), expected, type } as Field<Value>;
}

/** A required option; `why` is the hint if it is missing. */
export function needed<Value>(one: Field<Value>, why: string): NeededField<Value> {
  return { ...one, needed: why };
}

/** A field with what it means: its default and its effect. */
export function described<One extends FieldNotes>(description: string, one: One): One {
  return { ...one, description };
}

/** A field whose values JSON can hold, all of them or some: `json` is the schema of those. */
export function withJson<Value>(json: v.GenericSchema, one: Field<Value>): Field<Value> {
  return { ...one, json };
}

/** The same fields, all optional. */
export function optional<Options>(fields: Fields<Options>): Fields<Partial<Options>> {
  const entries = Object.entries<Field<unknown>>(fields as Readonly<Record<string, Field<unknown>>>).map(([name, one]) => [
    name,
    { ...one, needed: undefined },
  ]);
  return Object.fromEntries(entries) as Fields<Partial<Options>>;
}

export const text = withJson(
  v.string(),
  field<string>((value) => typeof value === "string", "a text", "string"),
);

export const flag = withJson(
  v.boolean(),
  field<boolean>((value) => typeof value === "boolean", "true or false"),
);

/** A text or a list of texts. */
export const texts = field<string | readonly string[]>(
  (value) => typeof value === "string" || isListOf(value, (each) => typeof each === "string"),
  "a text or a list of texts",
);

/** A whole number from `least` to `most`. */
export function whole(least: number, most = Number.POSITIVE_INFINITY): Field<number> {
  const range = most === Number.POSITIVE_INFINITY ? `at least ${least}` : `${least} to ${most}`;
  return withJson(
    bounded(v.pipe(v.number(), v.integer()), least, most),
    field((value) => isWhole(value, least, most), `a whole number, ${range}`, "number"),
  );
}

/** A finite number from `low` to `high`. */
export function real(low = Number.NEGATIVE_INFINITY, high = Number.POSITIVE_INFINITY): Field<number> {
  return withJson(
    bounded(v.number(), low, high),
    field((value) => isReal(value, low, high), describeRange(low, high), "number"),
  );
}

/** A number; other code checks its range. */
export const anyNumber = field<number>((value) => typeof value === "number", "a number", "number");

/** What `one` takes, or null. */
export function orNull<Value>(one: Field<Value>): Field<Value | null> {
  return { ...field<Value | null>((value) => value === null || v.is(one, value), `${one.expected}, or null for none`), nullIsValue: true };
}

/** One of the values. */
export function oneOf<const Value extends string>(...values: readonly Value[]): Field<Value> {
  return withJson(
    v.picklist(values),
    field((value) => values.some((each) => each === value), `one of ${values.join(", ")}`, "string"),
  );
}

/** A list of at least one number, from `low` to `high` each. */
export function numbers(low = Number.NEGATIVE_INFINITY, high = Number.POSITIVE_INFINITY): Field<readonly number[]> {
  const range = describeRange(low, high).replace(/^a /, "").replace("number", "numbers");
  return field((value) => isListOf(value, (each) => isReal(each, low, high)), `a list of ${range}`);
}

/** The numbers of a network's layers, from 0; also none. */
export const layerNumbers = withJson(
  v.array(v.pipe(v.number(), v.integer(), v.minValue(0))),
  field<readonly number[]>(
    (value) => Array.isArray(value) && value.every((layer) => Number.isInteger(layer) && layer >= 0),
    "a list of whole numbers, at least 0",
  ),
);

/** What `one` takes, or a list of at least one of them. */
export function oneOrList<Value>(one: Field<Value>, expected: string): Field<Value | readonly Value[]> {
  const is = (value: unknown) => v.is(one, value);
  const either = { ...field<Value | readonly Value[]>((value) => is(value) || isListOf(value, is), expected), type: one.type };
  return one.json ? withJson(v.union([one.json, v.pipe(v.array(one.json), v.minLength(1))]), either) : either;
}

/** A list of texts, which may be empty. */
export const names = field<readonly string[]>(
  (value) => Array.isArray(value) && value.every((each) => typeof each === "string"),
  "a list of texts",
);

/** An instance of the class. */
export function instanceOf<Instance>(
  type: { readonly prototype: Instance; readonly name: string },
  expected = withArticle(type.name),
): Field<Instance> {
  return field((value) => value instanceof (type as unknown as new () => object), expected);
}

export const tensor = field<Tensor>((value) => value instanceof Tensor && value.dtype === "float32", "a float32 Tensor");

/** A function. */
export function callback<Callback>(): Field<Callback> {
  return field((value) => typeof value === "function", "a function");
}

/** An object with options of its own. */
export function group<Options extends object>(fields: Fields<Options>): Field<Options> {
  const example = Object.keys(fields).join(", ");
  return { ...field<Options>(isPlain, `an object: { ${example} }`), fields };
}

/** A list of objects with options of their own. */
export function groups<Options extends object>(items: Fields<Options>, expected: string): Field<readonly Options[]> {
  return { ...field<readonly Options[]>((value) => Array.isArray(value) && value.every(isPlain), expected), items };
}

/** An AbortSignal, recognised by its methods: it may come from another realm. */
export const abortSignal = field<AbortSignal>(
  (value) => typeof value === "object" && value !== null && "aborted" in value && hasMethods(value, "throwIfAborted", "addEventListener"),
  "an AbortSignal, such as AbortSignal.timeout(1000)",
);

/** Whether the value is an object with these methods. */
export function hasMethods(value: unknown, ...methods: readonly string[]): boolean {
  if (typeof value !== "object" || value === null) return false;
  return methods.every((method) => typeof (value as Readonly<Record<string, unknown>>)[method] === "function");
}

/** Whether the value is a list of at least one item, all of which are right. */
export function isListOf(value: unknown, isRight: (item: unknown) => boolean): boolean {
  return Array.isArray(value) && value.length > 0 && value.every(isRight);
}

function isWhole(value: unknown, least: number, most: number): boolean {
  return Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most;
}

function isReal(value: unknown, low: number, high: number): boolean {
  return Number.isFinite(value) && (value as number) >= low && (value as number) <= high;
}

function bounded(schema: v.GenericSchema<number>, low: number, high: number): v.GenericSchema<number> {
  const above = low === Number.NEGATIVE_INFINITY ? schema : v.pipe(schema, v.minValue(low));
  return high === Number.POSITIVE_INFINITY ? above : v.pipe(above, v.maxValue(high));
}

function describeRange(low: number, high: number): string {
  if (high !== Number.POSITIVE_INFINITY) return `a number from ${low} to ${high}`;
  return low === Number.NEGATIVE_INFINITY ? "a finite number" : `a finite number, at least ${low}`;
}
