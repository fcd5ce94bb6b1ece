import { Ajv2020 } from "ajv/dist/2020.js";
import { Access } from "../../../src/http/access.js";
import { DEFAULT_LIMITS } from "../../../src/http/limits.js";
import { type OpenApiDocument, openApiDocument } from "../../../src/http/openapi/document.js";

export type Schema = Readonly<Record<string, unknown>>;

export const DOCUMENT: OpenApiDocument = openApiDocument({ limits: DEFAULT_LIMITS, access: new Access() });

const ajv = new Ajv2020({ strict: false, validateFormats: false, discriminator: false });
ajv.addSchema(closed(DOCUMENT) as object, "document");

/** What is wrong with a value by a schema of the document; fields that are not documented, too. */
export function problems(schema: Schema, value: unknown): string | undefined {
  const isValid = ajv.compile(absolute(closed(schema)) as object);
  return isValid(value) ? undefined : `${ajv.errorsText(isValid.errors)} in ${JSON.stringify(value).slice(0, 2000)}`;
}

/** The schemas with nothing in their objects that is not documented. */
function closed(schema: unknown): unknown {
  if (typeof schema !== "object" || schema === null) return schema;
  if (Array.isArray(schema)) return schema.map(closed);
  const copy = Object.fromEntries(Object.entries(schema).map(([name, value]) => [name, name === "example" ? value : closed(value)]));
  const isObject = copy.type === "object" && typeof copy.properties === "object";
  return isObject && copy.additionalProperties === undefined ? { ...copy, additionalProperties: false } : copy;
}

function absolute(schema: unknown): unknown {
  if (typeof schema !== "object" || schema === null) return schema;
  if (Array.isArray(schema)) return schema.map(absolute);
  return Object.fromEntries(
    Object.entries(schema).map(([name, value]) => [name, name === "$ref" ? `document${value as string}` : absolute(value)]),
  );
}

/** The fields of an object's schema. */
export function fieldsOf(name: string): Readonly<Record<string, Schema>> {
  return DOCUMENT.components.schemas[name]?.properties as Readonly<Record<string, Schema>>;
}

/** Values that a schema takes. */
export function rightValues(schema: Schema): unknown[] {
  const { examples, enum: choices, type, minimum, maximum, maxLength, anyOf, items } = schema;
  if (Array.isArray(examples)) return examples;
  if (Array.isArray(choices)) return choices;
  if (Array.isArray(anyOf)) return anyOf.flatMap((each: Schema) => rightValues(each));
  if (type === "boolean") return [true, false];
  if (type === "integer" || type === "number") return [minimum ?? 1, maximum ?? 7];
  if (type === "array") return [rightValues(items as Schema)];
  if (type === "string") return typeof maxLength === "number" ? ["x".repeat(maxLength)] : ["x"];
  if (type === "object") return rightObjects(schema);
  return [];
}

/** Objects with the needed properties, each with one value of one property. */
function rightObjects({ properties = {}, required = [] }: Schema): unknown[] {
  const values = Object.entries(properties as Readonly<Record<string, Schema>>).map(([name, each]) => [name, rightValues(each)] as const);
  const needed = Object.fromEntries(values.flatMap(([name, [first]]) => ((required as string[]).includes(name) ? [[name, first]] : [])));
  return values.flatMap(([name, each]) => each.map((value) => ({ ...needed, [name]: value })));
}

/** Values that a schema does not take. */
export function wrongValues({ enum: choices, type, minimum, maximum, maxLength, anyOf }: Schema): unknown[] {
  if (Array.isArray(anyOf)) return [{ wrong: {} }];
  return [
    { wrong: {} },
    ...(Array.isArray(choices) ? ["wrong"] : []),
    ...(type === "string" ? [7] : ["wrong"]),
    ...(typeof minimum === "number" ? [minimum - 1] : []),
    ...(typeof maximum === "number" ? [maximum + 1] : []),
    ...(type === "integer" ? [1.5] : []),
    ...(typeof maxLength === "number" ? ["x".repeat(maxLength + 1)] : []),
  ];
}
