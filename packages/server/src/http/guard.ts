import type { MiddlewareHandler } from "hono";
import { addressOf } from "./access.js";
import { HttpError } from "./http-error.js";
import type { AppContext, AppEnv, ServerContext } from "./server-context.js";

/** Paths that need no key to be read: the page, probes, the documentation, and pictures, whose names cannot be guessed. */
const OPEN_PATHS = /^\/(?:|assets\/[^/]+|health|ready|openapi\.json|docs|files\/[^/]+)$/;

/** Whether a route needs no key. POST / makes pictures: it needs one. */
export function isOpen(method: string, path: string): boolean {
  return /^(?:get|head)$/i.test(method) && OPEN_PATHS.test(path);
}

/** Nothing that the server sends may run, be framed or be taken for another type. A page sets a policy of its own. */
const HEADERS = {
  "x-content-type-options": "nosniff",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  "referrer-policy": "no-referrer",
};

/** Sets the headers of safety on every reply. */
export function safetyHeaders(): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    await next();
    for (const [name, value] of Object.entries(HEADERS)) if (!c.res.headers.has(name)) c.res.headers.set(name, value);
  };
}

/** Lets in only what is meant for this server: by Host, by Origin, by key. */
export function guard({ access }: Pick<ServerContext, "access">): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    // A request's first line can name a host, too.
    const { host: asked } = new URL(c.req.url);
    const host = c.req.header("host") ?? asked;
    if (!access.allowsHost(host) || !access.allowsHost(asked)) {
      throw new HttpError(403, "this server is not known under the name in the Host header", {
        code: "host_not_allowed",
        hint: "add the name to the allowed hosts",
      });
    }
    const origin = c.req.header("origin");
    if (origin !== undefined && !access.allowsOrigin(origin, host)) {
      throw new HttpError(403, "pages of this origin may not call the server", {
        code: "origin_not_allowed",
        hint: "add it to the allowed origins",
      });
    }
    const isCors = origin !== undefined && access.isAllowedOrigin(origin);
    if (isCors && c.req.method === "OPTIONS") return preflight(c, origin);
    const owner = access.needsKey ? access.ownerOf(c.req.header("authorization")) : addressOf(c);
    if (owner === undefined && !isOpen(c.req.method, c.req.path)) {
      const isGiven = c.req.header("authorization") !== undefined;
      throw new HttpError(401, isGiven ? "the API key is wrong" : "the server needs an API key", {
        code: "invalid_api_key",
        hint: "send it as Authorization: Bearer KEY",
      });
    }
    c.set("owner", owner ?? addressOf(c));
    await next();
    // Never with credentials: a page must send a key of its own.
    if (isCors) c.res.headers.set("access-control-allow-origin", origin);
    if (isCors) c.res.headers.append("vary", "Origin");
  };
}

/** The answer to a browser that asks whether a page of an allowed origin may call. */
function preflight(c: AppContext, origin: string): Response {
  return c.body(null, 204, {
    "access-control-allow-origin": origin,
    "access-control-allow-methods": "GET, POST, DELETE",
    "access-control-allow-headers": c.req.header("access-control-request-headers") ?? "authorization, content-type",
    "access-control-max-age": "600",
    vary: "Origin",
  });
}
