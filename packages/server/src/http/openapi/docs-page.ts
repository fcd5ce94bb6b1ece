import { html, raw } from "hono/html";
import type { DocumentedOperation, OpenApiDocument } from "./document.js";
import type { JsonSchema } from "./json-schema.js";

/** A piece of a page; what was put into it is escaped. */
type Piece = ReturnType<typeof html>;

/** The page of an OpenAPI document, for people. `address` is the server's, for the examples. */
export function docsPage(document: OpenApiDocument, address: string): Piece {
  const { info, tags, components } = document;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${info.title}: the HTTP API</title>
<style>${raw(STYLES)}</style>
</head>
<body>
<header>
<h1>${info.title} ${info.version}</h1>
<p>${info.description}</p>
<p>Everything here is in <a href="/openapi.json">openapi.json</a>, too.</p>
</header>
<nav aria-label="APIs"><ul>${tags.map(({ name }) => html`<li><a href="#${anchor(name)}">${name}</a></li>`)}<li><a href="#schemas">Schemas</a></li></ul></nav>
<main>
${tags.map((tag) => apiSection(document, tag, address))}
<section id="schemas"><h2>Schemas</h2>
${Object.entries(components.schemas).map(
  ([name, schema]) => html`<details><summary><code>${name}</code></summary><div id="schema-${name}">${schemaBody(schema)}</div></details>`,
)}
</section>
</main>
</body>
</html>`;
}

function apiSection(document: OpenApiDocument, { name, description }: OpenApiDocument["tags"][number], address: string): Piece {
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods)
      .filter(([, operation]) => operation.tags.includes(name))
      .map(([method, operation]) => operationEntry(document, method, path, operation, address)),
  );
  return html`<section id="${anchor(name)}"><h2>${name}</h2><p>${description}</p>${operations}</section>`;
}

function operationEntry(document: OpenApiDocument, method: string, path: string, operation: DocumentedOperation, address: string): Piece {
  const { summary, description, parameters, requestBody, responses, security } = operation;
  return html`<details class="operation">
<summary><code><b>${method.toUpperCase()}</b> ${path}</code> <span>${summary}</span></summary>
${description === undefined ? "" : html`<p>${description}</p>`}
${security?.length === 0 ? html`<p>Needs no key.</p>` : ""}
${parameters.length > 0 ? table(parameters.map((each) => row(`${each.name} (${each.in})`, { description: each.description, ...each.schema }, each.required))) : ""}
${Object.entries(requestBody?.content ?? {}).map(([type, { schema }]) => html`<h3>Body: ${type}</h3>${schemaBody(resolved(document, schema))}`)}
<h3>Replies</h3>
<table><tbody>${Object.entries(responses).map(
    ([status, reply]) =>
      html`<tr><th scope="row">${status}</th><td>${reply.description}</td><td>${Object.entries(reply.content ?? {}).map(
        ([type, { schema }]) => html`<div>${type}${schema.$ref === undefined ? "" : html`: ${typeOf(schema)}`}</div>`,
      )}</td></tr>`,
  )}</tbody></table>
<h3>Example</h3>
<pre tabindex="0">${curl(method, address + path, operation)}</pre>
</details>`;
}

/** The schema that a reference names. */
function resolved({ components }: OpenApiDocument, schema: JsonSchema): JsonSchema {
  const name =
    String(schema.$ref ?? "")
      .split("/")
      .at(-1) ?? "";
  return components.schemas[name] ?? schema;
}

/** The fields of an object, or what a schema is otherwise. */
function schemaBody(schema: JsonSchema): Piece {
  const {
    properties,
    required = [],
    description,
  } = schema as { properties?: Record<string, JsonSchema>; required?: string[]; description?: string };
  const text = description === undefined ? "" : html`<p>${description}</p>`;
  if (!properties) return html`${text}<p>${typeOf(schema)}</p>`;
  return html`${text}${table(Object.entries(properties).map(([name, field]) => row(name, field, required.includes(name))))}`;
}

function table(rows: readonly Piece[]): Piece {
  return html`<table><thead><tr><th scope="col">Field</th><th scope="col">Type</th><th scope="col">Meaning</th></tr></thead><tbody>${rows}</tbody></table>`;
}

function row(name: string, field: JsonSchema, isRequired: boolean): Piece {
  return html`<tr><th scope="row"><code>${name}</code>${isRequired ? html` <em>required</em>` : ""}</th><td>${typeOf(field)}</td><td>${field.description ?? ""}</td></tr>`;
}

/** What values a schema takes, in words. */
function typeOf(schema: JsonSchema): Piece {
  const {
    $ref,
    const: only,
    enum: choices,
    anyOf,
    oneOf,
    type,
    items,
    properties,
    minimum,
    maximum,
    maxLength,
  } = schema as {
    [key: string]: unknown;
    enum?: unknown[];
    anyOf?: JsonSchema[];
    oneOf?: JsonSchema[];
    properties?: Record<string, JsonSchema>;
    items?: JsonSchema;
  };
  if (typeof $ref === "string") {
    const name = $ref.split("/").at(-1);
    return html`<a href="#schema-${name}">${name}</a>`;
  }
  if (only !== undefined) return html`<code>${JSON.stringify(only)}</code>`;
  if (choices) return html`${joined(choices.map((choice) => html`<code>${choice}</code>`))}`;
  const either = anyOf ?? oneOf;
  if (either) return html`${joined(either.map(typeOf))}`;
  if (type === "array") return html`list of ${items && Object.keys(items).length > 0 ? typeOf(items) : "anything"}`;
  if (properties) return html`object: ${Object.keys(properties).join(", ")}`;
  const range = [minimum === undefined ? "" : `from ${minimum}`, maximum === undefined ? "" : `to ${maximum}`].filter(Boolean).join(" ");
  const length = maxLength === undefined ? "" : `up to ${maxLength} characters`;
  return html`${[Array.isArray(type) ? type.join(" or ") : (type ?? "anything"), range, length].filter(Boolean).join(", ")}`;
}

function joined(pieces: readonly Piece[]): Piece[] {
  return pieces.map((piece, i) => (i === 0 ? piece : html` or ${piece}`));
}

/** A call of the route on a command line. */
function curl(method: string, url: string, { requestBody, responses, security }: DocumentedOperation): string {
  const example = requestBody?.content["application/json"]?.example;
  const isStream = Object.values(responses).some(({ content = {} }) => Object.keys(content)[0] === "text/event-stream");
  const options = [
    ...(method === "get" ? [] : [`-X ${method.toUpperCase()}`]),
    ...(isStream ? ["-N"] : []),
    ...(security?.length === 0 ? [] : ["-H 'Authorization: Bearer KEY'"]),
    ...(example ? ["-H 'Content-Type: application/json'", `-d ${quoted(JSON.stringify(example))}`] : []),
  ];
  return [`curl ${quoted(url)}`, ...options].join(" \\\n  ");
}

/** A word of a shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function anchor(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]+/g, "-");
}

export const STYLES = `
:root { color-scheme: light dark; --text: #1b1b1f; --quiet: #5c5c66; --line: #d9d9e0; --back: #fdfdfe; --box: #f1f1f5; --link: #0b57a4; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e8e8ee; --quiet: #a4a4b0; --line: #3a3a44; --back: #16161a; --box: #222229; --link: #8ab8f5; }
}
body { margin: 0 auto; max-width: 60rem; padding: 1rem; background: var(--back); color: var(--text); font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
a { color: var(--link); }
nav ul { display: flex; flex-wrap: wrap; gap: 0.5rem 1.5rem; list-style: none; padding: 0; }
h2 { margin-top: 2.5rem; }
h3 { font-size: 1rem; margin: 1rem 0 0.25rem; }
details { border: 1px solid var(--line); border-radius: 6px; margin: 0.5rem 0; padding: 0.5rem 0.75rem; }
summary { cursor: pointer; }
summary span { color: var(--quiet); }
table { border-collapse: collapse; width: 100%; font-size: 0.9rem; }
th, td { border-top: 1px solid var(--line); padding: 0.3rem 0.6rem 0.3rem 0; text-align: left; vertical-align: top; font-weight: normal; }
thead th, em { color: var(--quiet); }
pre { background: var(--box); border-radius: 6px; padding: 0.75rem; overflow-x: auto; }
code, pre { font-family: ui-monospace, monospace; font-size: 0.9em; }
`;
