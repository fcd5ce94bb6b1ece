import { APICallError } from "@ai-sdk/provider";

/** An error as the server sends it. */
export interface ServerError {
  readonly message: string;
  readonly hint?: string | undefined;
  /** In a reply, a word for programs. */
  readonly code?: string | undefined;
  /** In a reply, the field of the request that is wrong. */
  readonly param?: string | undefined;
  /** In a job. */
  readonly kind?: string | undefined;
  /** In a job, the option of the request that is wrong. */
  readonly argument?: string | undefined;
}

/** The error of a reply. The server says whether the same request can succeed later. */
export async function statusError(url: string, request: unknown, response: Response): Promise<APICallError> {
  const responseBody = await response.text().catch(() => "");
  const error = errorIn(responseBody);
  const shouldRetry = response.headers.get("x-should-retry");
  return new APICallError({
    message: error ? textOf(error) : `the server answered ${response.status} ${response.statusText}`.trim(),
    url,
    requestBodyValues: withoutPictures(request),
    statusCode: response.status,
    responseHeaders: Object.fromEntries(response.headers),
    responseBody,
    data: error,
    ...(shouldRetry !== null && { isRetryable: shouldRetry === "true" }),
  });
}

/** The error of a job that has ended without pictures. The server has tried again already where that makes sense. */
export function jobError(
  event: { readonly type: "failed"; readonly error: ServerError } | { readonly type: "cancelled" },
  url: string,
  request: unknown,
): APICallError {
  const error = event.type === "failed" ? event.error : undefined;
  return new APICallError({
    message: error ? textOf(error) : "the job was cancelled on the server",
    url,
    requestBodyValues: withoutPictures(request),
    statusCode: error === undefined ? 409 : error.kind === "argument" ? 400 : 500,
    data: error,
    isRetryable: false,
  });
}

/** The server cannot be reached, or the connection broke. */
export function connectionError(url: string, request: unknown, cause: unknown): APICallError {
  const reason = deepestMessage(cause);
  const { origin, protocol } = new URL(url);
  const isPlain = protocol === "https:" && /wrong version number|packet length too long|ERR_SSL/i.test(reason);
  const hint = isPlain ? "; it may speak http: give a baseURL with http://" : "";
  return new APICallError({
    message: `the Darkroom server at ${origin} cannot be reached: ${reason.trim()}${hint}`,
    url,
    requestBodyValues: withoutPictures(request),
    cause,
    isRetryable: true,
  });
}

/** The reply is not JSON. */
export function notDarkroom({ url, status }: Response, cause: unknown): APICallError {
  return new APICallError({
    message: `what answers at ${url} is no Darkroom server: its reply is not JSON`,
    url,
    requestBodyValues: {},
    statusCode: status,
    cause,
    isRetryable: false,
  });
}

function errorIn(body: string): ServerError | undefined {
  try {
    const { error } = JSON.parse(body);
    return typeof error?.message === "string" ? error : undefined;
  } catch {
    return undefined;
  }
}

function textOf({ message, hint }: ServerError): string {
  return hint === undefined ? message : `${message} (${hint})`;
}

/** A request as errors have it: pictures would fill logs. */
function withoutPictures(request: unknown): unknown {
  if (typeof request !== "object" || request === null) return request ?? {};
  const { image, maskImage, controlImage, ...others } = request as Record<string, unknown>;
  const given = Object.entries({ image, maskImage, controlImage }).filter(([, value]) => value !== undefined);
  return { ...others, ...Object.fromEntries(given.map(([name]) => [name, "(a picture)"])) };
}

/** `fetch` says no more than "fetch failed"; the reason is its cause. */
function deepestMessage(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.cause instanceof Error) return deepestMessage(error.cause);
  return error.message || ("code" in error ? String(error.code) : error.name);
}
