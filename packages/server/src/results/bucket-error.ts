import type { BucketPlace } from "./bucket-options.js";

/** A request to a bucket failed. It never has the secret key in it. */
export class BucketError extends Error {
  override readonly name = "BucketError";
  /** The bucket's name. */
  readonly bucket: string;
  /** The status of the reply; undefined if there was none. */
  readonly status: number | undefined;
  /** The service's name of the problem, such as `NoSuchBucket`; undefined if it gave none. */
  readonly code: string | undefined;
  /** What to check. */
  readonly hint: string | undefined;
  constructor(message: string, { bucket, status, code, hint, cause }: BucketErrorOptions) {
    super(message, cause === undefined ? undefined : { cause });
    this.bucket = bucket;
    this.status = status;
    this.code = code;
    this.hint = hint;
  }
}

interface BucketErrorOptions {
  readonly bucket: string;
  readonly status?: number | undefined;
  readonly code?: string | undefined;
  readonly hint?: string | undefined;
  readonly cause?: unknown;
}

/** What a service says when it refuses. */
export interface Refusal {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

/** The service's name of the problem; undefined if the reply has none, such as every reply to HEAD. */
export function codeOf(refusal: Refusal): string | undefined {
  return field(refusal, "Code");
}

/** @param task what could not be done, such as "store a picture" */
export function refusedError(task: string, { bucket, url, prefix }: BucketPlace, refusal: Refusal): BucketError {
  const { status, headers } = refusal;
  const code = codeOf(refusal);
  const region = headers.get("x-amz-bucket-region") ?? field(refusal, "Region");
  const reason = [`status ${status}`, code, field(refusal, "Message")].filter(Boolean).join(", ");
  return new BucketError(`cannot ${task} in the bucket ${bucket} at ${url}: ${reason}`, {
    bucket,
    status,
    code,
    hint: hintFor(code ?? status, { place: `${bucket}/${prefix}*`, region, date: headers.get("date") }),
  });
}

export function unreachableError(task: string, { bucket, url }: BucketPlace, cause: unknown): BucketError {
  return new BucketError(`cannot ${task} in the bucket ${bucket} at ${url}: ${deepestMessage(cause)}`, {
    bucket,
    hint: "check the endpoint's address, that the service runs, and that this machine can reach it",
    cause,
  });
}

interface HintFacts {
  readonly place: string;
  readonly region: string | undefined;
  readonly date: string | null;
}

function hintFor(problem: string | number, { place, region, date }: HintFacts): string {
  switch (problem) {
    case "InvalidAccessKeyId":
      return "the service does not know the access key: check AWS_ACCESS_KEY_ID, and that the endpoint is the service that gave the key";
    case "SignatureDoesNotMatch":
      return "the secret key is wrong: check AWS_SECRET_ACCESS_KEY";
    case "ExpiredToken":
    case "InvalidToken":
      return "the session token is not valid any more: get a new key and AWS_SESSION_TOKEN, or a key that does not end";
    case "AccessDenied":
    case 403:
      return `allow the key s3:GetObject, s3:PutObject and s3:DeleteObject on ${place}`;
    case "NoSuchBucket":
      return "create the bucket, or check its name, the endpoint and the region";
    case "RequestTimeTooSkewed":
      return `set this machine's clock: it is ${clockDifference(date)} the service's`;
    case "AuthorizationHeaderMalformed":
    case "PermanentRedirect":
    case "IllegalLocationConstraintException":
    case 301:
    case 307:
      return region === undefined ? "check the region" : `the bucket is in the region ${region}: set AWS_REGION to it`;
    case "SlowDown":
    case "ServiceUnavailable":
    case "InternalError":
    case 429:
    case 500:
    case 502:
    case 503:
    case 504:
      return "the service is overloaded or has a failure: try later";
    default:
      return "check that the endpoint is the address of an S3 service, and the region";
  }
}

function clockDifference(date: string | null): string {
  const minutes = Math.round((Date.now() - Date.parse(date ?? "")) / 60_000);
  if (!minutes) return "not the same as";
  return `${Math.abs(minutes)} minutes ${minutes > 0 ? "ahead of" : "behind"}`;
}

/** One field of an error in XML. */
function field({ body }: Refusal, name: string): string | undefined {
  const text = new TextDecoder().decode(body.subarray(0, 65_536));
  return new RegExp(`<${name}>([^<]{1,300})</${name}>`).exec(text)?.[1];
}

/** `fetch` says no more than "fetch failed"; the reason is its cause. */
function deepestMessage(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.cause instanceof Error) return deepestMessage(error.cause);
  // The error of a host with several addresses has only a code.
  return error.message || ("code" in error ? String(error.code) : error.name);
}
