import { HttpError } from "./http-error.js";
import { bodyTooLarge, type Limits } from "./limits.js";
import { ClientGone } from "./run-job.js";
import type { AppContext } from "./server-context.js";

/** More lists and objects in one another are no request for a picture, and functions that call themselves have no room for many. */
const DEEPEST = 64;

/** More values are no request for a picture. Each is checked, which takes time. */
const MOST_VALUES = 20_000;

/** A request's body, counted as it comes: Content-Length can be missing or wrong. @throws HttpError beyond the limit */
export async function* readBody(c: AppContext, limits: Limits): AsyncGenerator<Uint8Array> {
  if (Number(c.req.header("content-length")) > limits.maxBodyBytes) throw bodyTooLarge(limits);
  const { body } = c.req.raw;
  if (!body) return;
  const upload = c.get("upload");
  upload.expect(Number(c.req.header("content-length")) || 0);
  let bytes = 0;
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read().catch(() => {
        throw new ClientGone();
      });
      if (done) return;
      bytes += value.byteLength;
      if (bytes > limits.maxBodyBytes) throw bodyTooLarge(limits);
      upload.add(value.byteLength);
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
  const bytes = Buffer.concat(chunks);
  checkShape(bytes);
  const text = bytes.toString("utf8");
  if (text.trim() === "") return {};
  const value = parse(text);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw badJson("the body is not a JSON object");
  }
  return value as Readonly<Record<string, unknown>>;
}

/** Counts what a text of JSON has, before it is read. @throws HttpError */
function checkShape(bytes: Buffer): void {
  let depth = 0;
  let values = 1;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i];
    if (byte === QUOTE) i = endOfText(bytes, i);
    else if (byte === COMMA) values++;
    else if (byte === OPEN_LIST || byte === OPEN_OBJECT) depth++;
    else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) depth--;
    if (depth > DEEPEST) throw badJson(`the body has more than ${DEEPEST} lists and objects in one another`);
    if (values > MOST_VALUES) throw badJson(`the body has more than ${MOST_VALUES} values`);
  }
}

const [QUOTE, BACKSLASH, COMMA, OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = Buffer.from('"\\,[]{}') as unknown as readonly number[];

/** Where a text in JSON ends that begins at `start`. Most of a body can be one text: a picture. */
function endOfText(bytes: Buffer, start: number): number {
  for (let end = bytes.indexOf('"', start + 1); end >= 0; end = bytes.indexOf('"', end + 1)) {
    let backslashes = 0;
    while (bytes[end - 1 - backslashes] === BACKSLASH) backslashes++;
    if (backslashes % 2 === 0) return end;
  }
  return bytes.length;
}

function badJson(message: string): HttpError {
  return new HttpError(400, message, { code: "invalid_json" });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's message holds a part of the body.
    throw badJson("the body is not valid JSON");
  }
}
