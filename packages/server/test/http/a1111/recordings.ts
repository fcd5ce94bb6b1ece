import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** A request that a client sent. */
export interface RecordedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly json?: Readonly<Record<string, unknown>>;
  readonly rawBodyBase64?: string;
  readonly clientClosed?: boolean;
}

/** What a client did in one go. */
export interface Scenario {
  readonly scenario: string;
  readonly requests: readonly RecordedRequest[];
}

/** A file of test/contracts. */
export function contract<Content>(name: string): Content {
  return JSON.parse(readFileSync(fileURLToPath(new URL(`../../contracts/${name}.json`, import.meta.url)), "utf8")) as Content;
}

/** The recorded requests of clients to paths that begin with `start`, with a name for each. */
export function recordedRequests(clients: readonly string[], start: RegExp): [name: string, request: RecordedRequest][] {
  return clients.flatMap((client) =>
    contract<{ readonly scenarios: readonly Scenario[] }>(client).scenarios.flatMap(({ scenario, requests }) =>
      requests
        .filter(({ path, method }) => start.test(path) && method !== "HEAD")
        .map((request, i): [string, RecordedRequest] => [`${client}: ${scenario} ${i}: ${request.method} ${request.path}`, request]),
    ),
  );
}

/** A recorded request, to be sent to an app. */
export function requestOf({ method, path, headers, json, rawBodyBase64 }: RecordedRequest): Request {
  const body = json ? JSON.stringify(json) : rawBodyBase64 ? Buffer.from(rawBodyBase64, "base64") : undefined;
  return new Request(`http://127.0.0.1:7860${path}`, {
    method,
    headers,
    ...(body !== undefined && { body: new Uint8Array(Buffer.from(body)) }),
  });
}
