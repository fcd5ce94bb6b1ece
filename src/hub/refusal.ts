import { HubError, type HubErrorOptions } from "../errors.js";
import type { HubSettings } from "../platform/hub.js";
import { isPassing, secondsOf } from "../retrying.js";
import type { Answer } from "./request.js";

/** What a request was about. */
export interface Asked {
  readonly id: string;
  readonly revision: string;
  readonly path?: string;
}

/** The hint for damaged data. */
export const DAMAGED = "try again; undamaged downloads are kept";

/**
 * The error for an answer without the requested data. The hub gives the reason in a header, because it also answers 401 for a repository
 * that does not exist.
 */
export function refusal({ status, headers }: Answer, { id, revision, path }: Asked, { endpoint, token, words }: HubSettings): HubError {
  const page = `${endpoint}/${id}`;
  const error = (message: string, options: HubErrorOptions) => new HubError(message, options);
  const code = headers.get("x-error-code") ?? "";
  if (code === "GatedRepo" || (status === 403 && code === "")) {
    return error(`${id} is gated: its files are for accounts that accepted its licence`, {
      problem: "gated",
      hint: `accept the licence at ${page} and set ${words.token} to a token of that account (${endpoint}/settings/tokens)${token === undefined ? "" : "; the token in use has no access"}`,
    });
  }
  if (code === "RepoNotFound" || (status === 404 && code === "" && path === undefined && revision === "main")) {
    return error(`${id} is neither a folder here nor a repository on ${endpoint}`, {
      problem: "repository-not-found",
      hint: `check the spelling; a private repository needs ${words.token} set to a token that may read it`,
    });
  }
  if (code === "EntryNotFound" || (status === 404 && code === "" && path !== undefined)) {
    return error(`${id} has no ${path} at revision ${revision}`, { problem: "file-not-found", hint: `see ${page}/tree/main` });
  }
  if (code === "RevisionNotFound" || status === 404) {
    return error(`${id} has no revision ${JSON.stringify(revision)}`, {
      problem: "revision-not-found",
      hint: `its branches and tags are listed at ${page}/tree/main; the default is "main"`,
    });
  }
  if (status === 401 || status === 403) {
    const why =
      headers.get("x-error-message")?.slice(0, 200) ?? (token === undefined ? "it requires a token" : "it does not accept the token");
    return error(`${endpoint} refuses access to ${id}: ${why}`, {
      problem: "unauthorized",
      hint: `set ${words.token} to a valid token (${endpoint}/settings/tokens); if the repository has a licence, accept it at ${page}`,
    });
  }
  if (status === 429) {
    const retryAfter = secondsOf(headers.get("retry-after"));
    return error(`${id}: ${endpoint} received too many requests from this machine`, {
      problem: "rate-limit",
      retryAfter,
      hint: `try again in ${retryAfter === undefined ? "a few minutes" : `${Math.ceil(retryAfter)} s`}; with a token (${words.token}) the limit is higher`,
    });
  }
  if (status === 416) return error(`${id}: ${path} is shorter than expected`, { problem: "corrupt", hint: DAMAGED });
  const passes = isPassing(status);
  return error(`${endpoint} answered ${status} to a request for ${id}${path === undefined ? "" : `/${path}`}`, {
    problem: passes ? "server" : "invalid-answer",
    retryAfter: secondsOf(headers.get("retry-after")),
    hint: passes ? "try again later; downloaded data is kept" : `check ${words.endpoint} and ${words.token}`,
  });
}
