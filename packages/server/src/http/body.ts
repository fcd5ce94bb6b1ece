import { HttpError } from "./http-error.js";
import { bodyTooLarge, type Limits } from "./limits.js";
import type { AppContext } from "./server-context.js";

/** A request's body, counted as it comes: Content-Length can be missing or wrong. @throws HttpError beyond the limit */
export async function* readBody(c: AppContext, limits: Limits): AsyncGenerator<Uint8Array> {
  if (Number(c.req.header("content-length")) > limits.maxBodyBytes) throw bodyTooLarge(limits);
  const { body } = c.req.raw;
  if (!body) return;
  let bytes = 0;
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      bytes += value.byteLength;
      if (bytes > limits.maxBodyBytes) throw bodyTooLarge(limits);
      yield value;
    }
  } finally {
    reader.releaseLock();
  }
}

/** The object in a JSON body, whatever type its header names. A body without anything is an empty object. @throws HttpError */
export async function readJson(c: AppContext, limits: Limits): Promise<Readonly<Record<string, unknown>>> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of readBody(c, limits)) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString("utf8");
  if (text.trim() === "") return {};
  const value = parse(text);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new HttpError(400, "the body is not a JSON object", { code: "invalid_json" });
  }
  return value as Readonly<Record<string, unknown>>;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's message holds a part of the body.
    throw new HttpError(400, "the body is not valid JSON", { code: "invalid_json" });
  }
}
