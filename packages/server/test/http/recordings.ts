import { readFileSync } from "node:fs";
import { pngFile } from "./test-server.js";

/** A recorded request of a real client. */
export interface RecordedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly json?: object;
  readonly parts?: readonly { readonly name: string; readonly value?: string; readonly filename?: string; readonly contentType?: string }[];
  readonly rawContentType?: string;
  readonly rawBodyBase64?: string;
}

/** The recorded requests of a client to paths that begin so, with the names of their scenarios. */
export function recordedRequests(client: string, start: string): (readonly [scenario: string, request: RecordedRequest])[] {
  const file = new URL(`../contracts/${client}.json`, import.meta.url);
  const { scenarios } = JSON.parse(readFileSync(file, "utf8")) as {
    scenarios: { scenario: string; requests: RecordedRequest[] }[];
  };
  return scenarios.flatMap(({ scenario, requests }) =>
    requests.filter(({ path }) => path.startsWith(start)).map((request) => [scenario, request] as const),
  );
}

/** Sends a recorded request as it was sent. */
export async function replay(address: string, { method, path, headers = {}, json, parts, rawContentType, rawBodyBase64 }: RecordedRequest) {
  const sent: Record<string, string> = { ...headers };
  // fetch sets these itself.
  for (const name of ["content-type", "transfer-encoding", "content-length"]) delete sent[name];
  if (rawBodyBase64 !== undefined) {
    sent["content-type"] = rawContentType ?? "";
    const bytes = Buffer.from(rawBodyBase64, "base64");
    const isChunked = headers["transfer-encoding"] === "chunked";
    return fetch(`${address}${path}`, { method, headers: sent, ...(isChunked ? chunked(bytes) : { body: bytes }) });
  }
  if (json !== undefined) sent["content-type"] = "application/json";
  return fetch(`${address}${path}`, { method, headers: sent, body: json ? JSON.stringify(json) : parts && (await formOf(parts)) });
}

/** A body in pieces of 100 bytes, without Content-Length. */
export function chunked(bytes: Uint8Array): { body: ReadableStream; duplex: "half" } {
  let at = 0;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      controller.enqueue(bytes.subarray(at, at + 100));
      at += 100;
    },
  });
  return { body, duplex: "half" };
}

async function formOf(parts: NonNullable<RecordedRequest["parts"]>): Promise<FormData> {
  const form = new FormData();
  for (const { name, value, filename, contentType } of parts) {
    if (value !== undefined) form.append(name, value);
    else form.append(name, new Blob([new Uint8Array(await pngFile())], { type: contentType }), filename);
  }
  return form;
}
