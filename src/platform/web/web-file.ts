import { ArgumentError, CheckpointError } from "../../errors.js";
import { messageOf } from "../../message-of.js";
import { backOff, isPassing, LONGEST_RETRY_AFTER, secondsOf } from "../../retrying.js";
import type { FileRef } from "../../tensor/stored-tensor.js";

/** A file that a page can read: bytes at an address, or a `Blob` (a dropped `File`, a file of the origin's private file system). */
export type WebFile = FileRef & ({ readonly url: string; readonly blob?: undefined } | { readonly blob: Blob; readonly url?: undefined });

/** The file at an address. */
export function urlFile(url: string): WebFile {
  return { id: url, url };
}

/** Names of blobs: each blob has its own, for as long as it lives. */
const names = new WeakMap<Blob, string>();

/** The file that a blob holds. */
export function blobFile(blob: Blob, id = names.get(blob) ?? `blob:${crypto.randomUUID()}`): WebFile {
  names.set(blob, id);
  return { id, blob };
}

/** What a reference means in a browser. @throws ArgumentError for a file of another platform. */
export function webFile(file: FileRef): WebFile {
  const { url, blob } = file as Partial<WebFile>;
  if (url === undefined && blob === undefined) throw new ArgumentError(`the file ${file.id} is not one that a page can read`);
  return file as WebFile;
}

/** Bytes that are read at once. */
const PART = 2 ** 23;

/** The `length` bytes of a file from `offset` on, in parts. @throws CheckpointError if the file cannot be read or has become shorter. */
export async function* readRange(file: FileRef, offset: number, length: number): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const found = webFile(file);
  for (let done = 0; done < length; ) {
    const part = Math.min(PART, length - done);
    yield found.blob
      ? await readBlob(found.blob, file.id, offset + done, part)
      : await fetchRange(found.url as string, file.id, offset + done, part);
    done += part;
  }
}

/** Bytes of a blob. @throws CheckpointError if it has fewer, or cannot be read any more. */
export async function readBlob(blob: Blob, name: string, offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
  if (offset + length > blob.size) throw tooShort(name, blob.size, offset + length);
  try {
    return new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer());
  } catch (cause) {
    throw new CheckpointError(`${name} cannot be read: ${messageOf(cause)}`, {
      hint: "the file was changed or removed after it was given to the page; choose it again",
      cause,
    });
  }
}

/**
 * Bytes of what is at an address, as it is now: a header and weights of two versions must not meet. @throws CheckpointError if the server
 * does not send them.
 */
export async function fetchRange(url: string, name: string, offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
  if (length === 0) return new Uint8Array();
  const range = `bytes=${offset}-${offset + length - 1}`;
  const { bytes, isPart } = await fetchWhole(url, name, { cache: "no-cache", headers: { range } }, async (answer) => ({
    bytes: new Uint8Array(await answer.arrayBuffer()),
    isPart: answer.status === 206,
  }));
  // A server without ranges sends the whole file.
  const own = isPart ? bytes : bytes.slice(offset, offset + length);
  if (own.length !== length) throw tooShort(name, isPart ? offset + own.length : bytes.length, offset + length);
  return own;
}

/**
 * What `read` takes of the answer from an address. What a broken connection or a busy server does not give is asked for again, a few times.
 * @throws CheckpointError as {@link fetchOrFail}
 */
export async function fetchWhole<Result>(
  url: string,
  name: string,
  init: RequestInit,
  read: (answer: Response) => Promise<Result>,
): Promise<Result> {
  for (let failures = 0; ; ) {
    try {
      const answer = await fetchOrFail(url, name, init);
      return await read(answer).catch((cause: unknown) => {
        throw unreadable(name, cause);
      });
    } catch (error) {
      await pauseAfter(error, ++failures);
    }
  }
}

/** How often in a row a server may fail. */
const ATTEMPTS = 5;

/** An answer that may be another one soon. */
class PassingAnswer extends Error {
  constructor(
    status: number,
    /** Seconds that the server asks to wait. */
    readonly retryAfter: number | undefined,
  ) {
    super(`status ${status}`);
  }
}

/**
 * Waits before the next attempt after a connection that broke, or after an answer of a server that is busy. @throws `error` if it is
 * another one, the last attempt's, or one of a server that asks for too long a pause; the signal's reason
 */
export async function pauseAfter(error: unknown, failures: number, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  const cause = error instanceof CheckpointError ? error.cause : undefined;
  const { retryAfter = 0 } = cause instanceof PassingAnswer ? cause : {};
  // A TypeError is what `fetch` throws if it finds no connection, or loses it.
  const isPassing = cause instanceof TypeError || cause instanceof PassingAnswer;
  if (!isPassing || failures >= ATTEMPTS || retryAfter > LONGEST_RETRY_AFTER) throw error;
  await backOff(failures, retryAfter, signal);
}

/** An answer with a body. @throws CheckpointError if the server does not answer, or answers with an error. */
export async function fetchOrFail(url: string, name: string, init?: RequestInit): Promise<Response> {
  const answer = await fetch(url, init).catch((cause: unknown) => {
    init?.signal?.throwIfAborted();
    throw unreadable(name, cause);
  });
  if (answer.ok) return answer;
  throw refusal(name, answer);
}

/** The error for an answer that is not the file. */
export function refusal(name: string, { status, statusText, headers }: Response): CheckpointError {
  const passing = isPassing(status) ? new PassingAnswer(status, secondsOf(headers.get("retry-after"))) : undefined;
  return new CheckpointError(`${name} cannot be read: the server answered ${status} ${statusText}`.trim(), {
    hint: passing ? "the server is busy or has a failure; try again later" : "check the address",
    cause: passing,
  });
}

/** The error for a server that does not answer, or whose answer breaks off. */
export function unreadable(name: string, cause: unknown): CheckpointError {
  return new CheckpointError(`${name} cannot be read: ${messageOf(cause)}`, {
    hint: "check the connection and the address; a server of another origin must send the header access-control-allow-origin",
    cause,
  });
}

function tooShort(name: string, size: number, needed: number): CheckpointError {
  return new CheckpointError(`${name} has ${size} bytes; ${needed} are needed`, { hint: "the file was cut short; download it again" });
}
