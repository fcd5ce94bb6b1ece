import { createHash } from "node:crypto";
import type { GenerateRequest } from "darkroom/generate";
import type { NewJob } from "./job.js";

/** The options of a request that are pictures. */
const PICTURES = ["image", "maskImage", "depthMap", "controlImage"] as const satisfies readonly (keyof GenerateRequest)[];

/** A new job as texts. Pictures are apart: they can be megabytes, only the run needs them, and they go when the job ends. */
export interface JobText {
  readonly job: string;
  readonly pictures: string | null;
  /** The same for the same job, whatever the order of its options. */
  readonly fingerprint: string;
}

export function jobText({ door, model, request, output, previewEvery }: NewJob): JobText {
  const rest: Record<string, unknown> = { ...request };
  const pictures: Record<string, unknown> = {};
  for (const name of PICTURES) {
    if (rest[name] === undefined) continue;
    pictures[name] = rest[name];
    delete rest[name];
  }
  const parts = { job: { door, model, request: rest, output, previewEvery }, pictures };
  return {
    job: toJson(parts.job),
    pictures: Object.keys(pictures).length > 0 ? toJson(pictures) : null,
    fingerprint: createHash("sha256")
      .update(JSON.stringify(parts, (name, value) => seedAsText(name, sorted(value))))
      .digest("base64url"),
  };
}

/** @param pictures null for a job without them */
export function parseJobText(job: string, pictures: string | null): NewJob {
  const parsed = JSON.parse(job) as NewJob;
  return pictures === null ? parsed : { ...parsed, request: { ...parsed.request, ...(JSON.parse(pictures) as GenerateRequest) } };
}

/** Text for records; what JSON has no numbers for, such as seeds of 64 bits, is digits in it. */
export function toJson(value: object): string {
  return JSON.stringify(value, seedAsText);
}

/** The request's schema takes such seeds as texts, too. */
function seedAsText(_name: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}

function sorted(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
