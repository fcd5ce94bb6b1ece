import { toJsonSchema } from "@valibot/to-json-schema";
import * as v from "valibot";

/** A schema as an OpenAPI document has it. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** The JSON Schema of what a valibot schema takes. */
export function jsonSchema(schema: v.GenericSchema): JsonSchema {
  const { $schema: _, ...shown } = toJsonSchema(schema, { target: "draft-2020-12", typeMode: "input" });
  return shown;
}

/** The schemas of an object's fields by their names. */
export function fieldSchemas(schema: v.GenericSchema): Readonly<Record<string, JsonSchema>> {
  return jsonSchema(schema).properties as Readonly<Record<string, JsonSchema>>;
}

/** A valibot schema with what its values mean. */
export function described<Schema extends v.GenericSchema>(text: string, schema: Schema) {
  return v.pipe(schema, v.description(text)) as unknown as Schema;
}

/** An object with these fields. */
export function objectOf(properties: Readonly<Record<string, JsonSchema>>, required: readonly string[] = []): JsonSchema {
  return { type: "object", properties, ...(required.length > 0 && { required }) };
}

/** One of the schemas of the document. */
export function ref(name: string): JsonSchema {
  return { $ref: `#/components/schemas/${name}` };
}

/** A PNG file of one pixel, for examples. */
export const EXAMPLE_PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
