import { createRequire } from "node:module";
import { A1111_DESCRIPTION } from "../a1111/operations.js";
import { jobsApiDescription } from "../api/operations.js";
import { isOpen } from "../guard.js";
import { huggingfaceDescription } from "../huggingface/operations.js";
import { openaiDescription } from "../openai/operations.js";
import type { ServerContext } from "../server-context.js";
import { SERVER_DESCRIPTION } from "../server-operations.js";
import { type JsonSchema, ref } from "./json-schema.js";
import type { ApiDescription, Operation, Reply } from "./operation.js";

const { version } = createRequire(import.meta.url)("../../../package.json") as { readonly version: string };

/** An OpenAPI document, as far as its readers here need to know it. */
export interface OpenApiDocument {
  readonly info: { readonly title: string; readonly version: string; readonly description: string };
  readonly tags: readonly { readonly name: string; readonly description: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, DocumentedOperation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, JsonSchema>> };
}

export interface DocumentedOperation extends Pick<Operation, "summary" | "description"> {
  readonly tags: readonly string[];
  readonly parameters: readonly {
    readonly name: string;
    readonly in: string;
    readonly required: boolean;
    readonly description: string;
    readonly schema: JsonSchema;
  }[];
  readonly requestBody?: { readonly required: boolean; readonly content: Readonly<Record<string, Media>> };
  readonly responses: Readonly<Record<string, DocumentedReply>>;
  readonly security?: readonly object[];
}

interface Media {
  readonly schema: JsonSchema;
  readonly example?: object;
}

interface DocumentedReply {
  readonly description: string;
  readonly headers?: object;
  readonly content?: Readonly<Record<string, Media>>;
}

/** The OpenAPI 3.1 document of a server. It has no names of models: it is read without a key. */
export function openApiDocument({ limits, access }: Pick<ServerContext, "limits" | "access">): OpenApiDocument {
  const apis = [
    jobsApiDescription(limits),
    openaiDescription(limits),
    A1111_DESCRIPTION,
    huggingfaceDescription(limits),
    SERVER_DESCRIPTION,
  ];
  const document = {
    openapi: "3.1.0",
    info: {
      title: "Darkroom",
      version,
      summary: "Pictures from diffusion models",
      description:
        "Several APIs for the same jobs: Darkroom's own, OpenAI's images, AUTOMATIC1111's web UI and Hugging Face's tasks. " +
        `The server's limits: ${Object.entries(limits)
          .map(([name, value]) => `${name} ${value}`)
          .join(", ")}.`,
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: "/" }],
    tags: apis.map(({ name, description }) => ({ name, description })),
    security: [{ bearer: [] }, { basic: [] }, ...(access.needsKey ? [] : [{}])],
    paths: pathsOf(apis),
    components: {
      schemas: Object.assign({}, ...apis.map(({ schemas }) => schemas)) as Record<string, JsonSchema>,
      securitySchemes: {
        bearer: { type: "http", scheme: "bearer", description: "An API key. A server without keys takes every caller of its machine." },
        basic: { type: "http", scheme: "basic", description: "An API key as the password, with any user name." },
      },
    },
    "x-limits": limits,
  };
  return document;
}

/** A path as OpenAPI writes it. */
export function documentedPath(path: string): string {
  return path.replace(/:(\w+)(\{[^}]*\})?/g, "{$1}");
}

function pathsOf(apis: readonly ApiDescription[]): OpenApiDocument["paths"] {
  const paths: Record<string, Record<string, DocumentedOperation>> = {};
  for (const api of apis) {
    for (const operation of api.operations) {
      const path = documentedPath(operation.path);
      paths[path] = { ...paths[path], [operation.method]: documented(api, operation) };
    }
  }
  return paths;
}

function documented(api: ApiDescription, operation: Operation): DocumentedOperation & { readonly operationId: string } {
  const { method, path, summary, description, parameters = [], body, example, replies, errors = [] } = operation;
  const needsKey = !isOpen(method, path);
  const statuses = [...errors, ...(needsKey ? [401] : []), 403, 500].filter((status) => !(status in replies));
  return {
    operationId: operationId(method, path),
    tags: [api.name],
    summary,
    ...(description !== undefined && { description }),
    parameters: parameters.map((each) => ({ ...each, required: each.in === "path" })),
    ...(body && {
      requestBody: {
        required: true,
        content: Object.fromEntries(
          Object.entries(body).map(([type, schema]) => [type, { schema, ...(type === "application/json" && example && { example }) }]),
        ),
      },
    }),
    responses: Object.fromEntries([
      ...Object.entries(replies).map(([status, reply]) => [status, shownReply(reply)]),
      ...statuses.sort().map((status) => [status, errorReply(status, api)]),
    ]),
    ...(!needsKey && { security: [] }),
  };
}

function shownReply({ description, content, headers }: Reply): DocumentedReply {
  return {
    description,
    ...(content && { content: Object.fromEntries(Object.entries(content).map(([type, schema]) => [type, { schema }])) }),
    ...(headers && { headers: headersOf(headers) }),
  };
}

const ERRORS: Readonly<Record<number, string>> = {
  400: "The request is wrong. The error names the field.",
  401: "The API key is missing or wrong.",
  403: "The Host or the Origin is not allowed.",
  404: "There is nothing of this name.",
  409: "Somebody cancelled the job.",
  413: "The body is larger than the server takes.",
  422: "A field is wrong, or the Idempotency-Key was used for another request.",
  429: "The queue is full, or too many connections read events.",
  500: "The job failed, or the server made an error.",
  501: "This build of the server does not have it.",
  503: "The server is shutting down.",
};

function errorReply(status: number, { error }: ApiDescription): DocumentedReply {
  const retryAfter = { "retry-after": "Seconds to wait before the request is sent again." };
  return {
    description: ERRORS[status] ?? "An error.",
    headers: headersOf({
      "x-should-retry": "true if the same request can succeed later, else false.",
      ...([429, 503].includes(status) && retryAfter),
    }),
    content: { "application/json": { schema: ref(error) } },
  };
}

function headersOf(headers: Readonly<Record<string, string>>): object {
  return Object.fromEntries(Object.entries(headers).map(([name, description]) => [name, { description, schema: { type: "string" } }]));
}

function operationId(method: string, path: string): string {
  const words = documentedPath(path).match(/[a-z0-9]+/gi) ?? [];
  return [method, ...words.map((word) => word.charAt(0).toUpperCase() + word.slice(1))].join("");
}
