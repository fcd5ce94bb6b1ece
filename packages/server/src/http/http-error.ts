import { ArgumentError } from "darkroom";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { isDiskFull } from "../disk-full.js";
import type { JobError } from "../jobs/job.js";
import { JobFailed, KeyReusedError, QueueClosedError, QueueFullError, QueueUnreachableError } from "../jobs/jobs.js";

/** Options of an {@link HttpError}. */
export interface HttpErrorOptions {
  /** A word for programs. */
  readonly code: string;
  /** How to solve the problem. */
  readonly hint?: string | undefined;
  /** The field of the request that is wrong. */
  readonly param?: string | undefined;
  /** Whether the same request can succeed later. OpenAI's clients send requests again by default. */
  readonly isTemporary?: boolean | undefined;
  readonly retryAfterSeconds?: number | undefined;
  readonly cause?: unknown;
}

/** An error as clients get it. Each API has its own shape for it. */
export class HttpError extends Error {
  override readonly name = "HttpError";
  readonly code: string;
  readonly hint: string | undefined;
  readonly param: string | undefined;
  readonly isTemporary: boolean;
  readonly retryAfterSeconds: number | undefined;

  constructor(
    readonly status: ContentfulStatusCode,
    message: string,
    { code, hint, param, isTemporary = false, retryAfterSeconds, cause }: HttpErrorOptions,
  ) {
    super(message, { cause });
    this.code = code;
    this.hint = hint;
    this.param = param;
    this.isTemporary = isTemporary;
    this.retryAfterSeconds = retryAfterSeconds;
  }

  /** The message with its hint. */
  get text(): string {
    return this.hint === undefined ? this.message : `${this.message} (${this.hint})`;
  }

  /** Headers that tell clients whether to try again. */
  get headers(): Record<string, string> {
    return {
      "x-should-retry": String(this.isTemporary),
      ...(this.retryAfterSeconds !== undefined && { "retry-after": String(Math.ceil(this.retryAfterSeconds)) }),
      // Basic is taken, too. Named here, it would make browsers ask for a password by a dialog of their own, over the page's.
      ...(this.status === 401 && { "www-authenticate": 'Bearer realm="darkroom"' }),
    };
  }
}

/** How an API spells an option of `darkroom/generate`. */
export type FieldNames = (option: string) => string;

/** The error that clients get for whatever was thrown. Unknown errors keep their message to themselves: it can hold paths. */
export function toHttpError(error: unknown, fieldName: FieldNames = (option) => option): HttpError {
  if (error instanceof HttpError) return error;
  if (error instanceof ArgumentError) {
    const { message, hint } = error.spell((option) => fieldName(option));
    return invalid(message, hint, error.argument, fieldName);
  }
  if (error instanceof JobFailed) return jobFailed(error.error, fieldName);
  if (error instanceof QueueFullError) {
    const { message, retryAfterSeconds } = error;
    return new HttpError(429, `${message} (limit: maxWaiting)`, { code: "queue_full", isTemporary: true, retryAfterSeconds });
  }
  if (error instanceof QueueClosedError) {
    return new HttpError(503, "the server is shutting down", { code: "shutting_down", isTemporary: true, retryAfterSeconds: 5 });
  }
  if (error instanceof QueueUnreachableError) {
    return new HttpError(503, error.message, { code: "queue_unreachable", isTemporary: true, retryAfterSeconds: 5, cause: error });
  }
  if (error instanceof KeyReusedError) return new HttpError(422, error.message, { code: "idempotency_key_reused" });
  if (isDiskFull(error)) {
    const hint = "free space where the server keeps its queue and its pictures";
    return new HttpError(507, "the server's disk is full", {
      code: "disk_full",
      hint,
      isTemporary: true,
      retryAfterSeconds: 60,
      cause: error,
    });
  }
  return new HttpError(500, "the server made an error; its log has the reason", { code: "internal_error", cause: error });
}

/** Why a picture was not made. The queue has tried again already where that makes sense, so clients need not. */
function jobFailed({ kind, message, hint, argument }: JobError, fieldName: FieldNames): HttpError {
  if (kind === "argument") return invalid(message, hint, argument, fieldName);
  if (kind === "unserved") return new HttpError(503, message, { code: "no_worker", hint });
  return new HttpError(500, message, { code: kind === "crashed" ? "worker_died" : `${kind}_error`, hint });
}

function invalid(message: string, hint: string | undefined, argument: string | undefined, fieldName: FieldNames): HttpError {
  const param = argument === undefined ? undefined : fieldName(argument);
  return new HttpError(400, message, { code: param === undefined ? "invalid_request" : `invalid_${param}`, hint, param });
}
