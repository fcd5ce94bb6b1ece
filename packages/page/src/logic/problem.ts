import { ApiError, ConnectionLost } from "../api/client.js";
import { LABELS } from "./labels.js";
import { FieldProblem } from "./request.js";
import { durationText } from "./time-left.js";

/** What is wrong, for people. */
export interface Problem {
  /** The request's field that it is about. */
  readonly param?: string | undefined;
  readonly message: string;
  readonly hint?: string | undefined;
}

export function problemOf(error: unknown): Problem {
  if (error instanceof FieldProblem) return { param: error.param, message: error.message };
  if (error instanceof ConnectionLost)
    return { message: "The server does not answer.", hint: "Your settings are kept here: try again in a moment." };
  if (!(error instanceof ApiError)) return { message: `Something went wrong: ${error instanceof Error ? error.message : String(error)}` };
  const { status, message, details } = error;
  if (status !== 429) return spelled({ message, ...details });
  const { retryAfter } = details;
  const when = retryAfter === undefined ? "in a moment" : `in about ${durationText(retryAfter)}`;
  return { message: sentence(message), hint: `Try again ${when}. Your settings are kept here.` };
}

/** What a hint for people who write programs has in it. Nobody can follow it on a page. */
const FOR_PROGRAMS =
  /\bfrom(?:Pretrained|SingleFile)\b|\bpipe\.|\bopenWorkflow\b|\b\w+\(\{|\bdarkroom (?:inspect|models|generate|devices)\b|--[a-z]/;

/** A message of the server with the form's names for its fields. */
export function spelled({ message, hint, param }: Problem): Problem {
  const labelled = (text: string) => text.replace(/\b[a-z]+(?:[A-Z][a-z]+)+\b/g, (name) => LABELS[name]?.toLowerCase() ?? name);
  const useful = hint === undefined || FOR_PROGRAMS.test(hint) ? undefined : sentence(labelled(hint));
  return { param, message: sentence(labelled(message)), hint: useful };
}

/** Whether a problem is about a field or a part of it, such as loras[0].name. */
export function isAbout({ param }: Problem, field: string): boolean {
  return param !== undefined && (param === field || param.startsWith(`${field}.`) || param.startsWith(`${field}[`));
}

function sentence(text: string): string {
  // Names of files keep their small letters.
  const start = text.replace(/^[a-z]+(?=\s)/, (word) => `${word.slice(0, 1).toUpperCase()}${word.slice(1)}`);
  return /[.!?)]$/.test(start) ? start : `${start}.`;
}
