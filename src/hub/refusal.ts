import { HubError, type HubErrorOptions } from "../errors.js";
import type { HubSettings } from "../platform/hub.js";
import type { Answer } from "./request.js";

/** What a request was about. */
export interface Asked {
  readonly id: string;
  readonly revision: string;
  readonly path?: string;
}

/** The way out when bytes are not what they should be. */
export const DAMAGED = "run it again; what was downloaded well is kept";

/** What an answer other than "here it is" means. The hub says it in a header, since 401 may hide a repository that does not exist. */
export function refusal({ status, headers }: Answer, { id, revision, path }: Asked, { endpoint, token }: HubSettings): HubError {
  const page = `${endpoint}/${id}`;
  const error = (message: string, options: HubErrorOptions) => new HubError(message, options);
  const code = headers.get("x-error-code") ?? "";
  if (code === "GatedRepo" || (status === 403 && code === "")) {
    return error(`${id} is gated: its files are for accounts that accepted its licence`, {
      problem: "gated",
      hint: `accept the licence at ${page} and set HF_TOKEN to ${token === undefined ? "a token" : "another token, one"} of that account (${endpoint}/settings/tokens)`,
    });
  }
  if (code === "RepoNotFound" || (status === 404 && code === "" && path === undefined && revision === "main")) {
    return error(`${id} is neither a folder here nor a repository on ${endpoint}`, {
      problem: "repository-not-found",
      hint: "check the spelling; a private repository needs HF_TOKEN set to a token that may read it",
    });
  }
  if (code === "EntryNotFound" || (status === 404 && code === "" && path !== undefined)) {
    return error(`${id} has no ${path} at revision ${revision}`, { problem: "file-not-found", hint: `see ${page}/tree/main` });
  }
  if (code === "RevisionNotFound" || status === 404) {
    return error(`${id} has no revision ${JSON.stringify(revision)}`, {
      problem: "revision-not-found",
      hint: `its branches and tags are listed at ${page}/tree/main; "main" is taken where none is named`,
    });
  }
  if (status === 401 || status === 403) {
    const why = headers.get("x-error-message")?.slice(0, 200) ?? (token === undefined ? "it wants a token" : "it does not take the token");
    return error(`${endpoint} does not give ${id} away: ${why}`, {
      problem: "unauthorized",
      hint: `set HF_TOKEN to a valid token (${endpoint}/settings/tokens); where the repository has a licence, accept it at ${page}`,
    });
  }
  if (status === 429) {
    const retryAfter = secondsOf(headers.get("retry-after"));
    return error(`${id}: ${endpoint} gets too many requests from here`, {
      problem: "rate-limit",
      retryAfter,
      hint: `try again in ${retryAfter === undefined ? "a few minutes" : `${Math.ceil(retryAfter)} s`}; with a token (HF_TOKEN) the limit is higher`,
    });
  }
  if (status === 416) return error(`${id}: ${path} is shorter than it should be`, { problem: "corrupt", hint: DAMAGED });
  const isPassing = status >= 500 || status === 408;
  return error(`${endpoint} answers ${status} when asked for ${id}${path === undefined ? "" : `/${path}`}`, {
    problem: isPassing ? "server" : "invalid-answer",
    retryAfter: secondsOf(headers.get("retry-after")),
    hint: isPassing ? "try again later; what has been downloaded is kept" : "check HF_ENDPOINT and HF_TOKEN",
  });
}

/** A Retry-After header: seconds, or a date. */
function secondsOf(header: string | null): number | undefined {
  if (header === null) return undefined;
  const seconds = Number(header);
  const wait = Number.isFinite(seconds) ? seconds : (Date.parse(header) - Date.now()) / 1000;
  return Number.isNaN(wait) ? undefined : Math.max(wait, 0);
}
