import type { JsonSchema } from "./json-schema.js";

/** An API with its routes, as the document shows it. */
export interface ApiDescription {
  readonly name: string;
  readonly description: string;
  /** The schema of its errors, one of `schemas`. */
  readonly error: string;
  /** Schemas that routes refer to by name. */
  readonly schemas: Readonly<Record<string, JsonSchema>>;
  readonly operations: readonly Operation[];
}

/** A route. */
export interface Operation {
  readonly method: "get" | "post" | "delete";
  /** As Hono has it: "/api/jobs/:id". */
  readonly path: string;
  readonly summary: string;
  readonly description?: string | undefined;
  readonly parameters?: readonly Parameter[] | undefined;
  /** Schemas of the body by its media type. */
  readonly body?: Readonly<Record<string, JsonSchema>> | undefined;
  /** A body in JSON. */
  readonly example?: object | undefined;
  /** What comes back, by status. */
  readonly replies: Readonly<Record<number, Reply>>;
  /** Statuses of errors beside those that every route has. */
  readonly errors?: readonly number[] | undefined;
}

/** A part of the path or the query, or a header. */
export interface Parameter {
  readonly name: string;
  readonly in: "path" | "query" | "header";
  readonly description: string;
  readonly schema: JsonSchema;
}

/** A reply that is no error. */
export interface Reply {
  readonly description: string;
  /** Schemas by media type. */
  readonly content?: Readonly<Record<string, JsonSchema>> | undefined;
  /** Descriptions of headers by name. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** A reply of JSON. */
export function json(description: string, schema: JsonSchema, headers?: Reply["headers"]): Reply {
  return { description, content: { "application/json": schema }, headers };
}
