import type { MiddlewareHandler } from "hono";
import { HttpError } from "./http-error.js";
import { atMost, type Limits } from "./limits.js";
import type { AppEnv } from "./server-context.js";

/** The bytes of one request's body, among those of all requests that are read or worked on. */
export interface Upload {
  /** Counts bytes that have come. @throws HttpError if all requests together have too many */
  add(bytes: number): void;
  /** Whether a body of this size has room now. @throws HttpError */
  expect(bytes: number): void;
}

/**
 * Bounds the bytes of all bodies that are in memory at a time. A body counts as it comes, and until its request is answered or the answer
 * has begun. One alone is bounded by its own limit only.
 */
export function boundUploads(limits: Limits): MiddlewareHandler<AppEnv> {
  let total = 0;
  return async (c, next) => {
    let own = 0;
    const expect = (bytes: number) => {
      const others = total - own;
      if (others > 0 && others + bytes > limits.maxUploadBytes) throw tooMany(limits);
    };
    c.set("upload", {
      expect,
      add(bytes) {
        expect(own + bytes);
        own += bytes;
        total += bytes;
      },
    });
    try {
      await next();
    } finally {
      total -= own;
    }
  };
}

function tooMany(limits: Limits): HttpError {
  return new HttpError(503, `too many uploads at a time; ${atMost("maxUploadBytes", limits)} bytes of all requests together`, {
    code: "too_many_uploads",
    isTemporary: true,
    retryAfterSeconds: 5,
  });
}
