import type { Job, JobEvent, JobResult } from "../../jobs/job.js";
import { pictureAddress } from "../picture-address.js";
import type { AppContext } from "../server-context.js";

/** A job as our API shows it: pictures by their addresses, and without the pictures that were sent. */
export function jobView(c: AppContext, job: Job): object {
  const { image: _, maskImage: __, depthMap: ___, controlImage: ____, ...request } = job.request;
  const { id, state, position, door, model, output, createdAt, startedAt, endedAt, progress, crashes, result, error } = job;
  return {
    id,
    state,
    position,
    door,
    model,
    request,
    output,
    createdAt,
    startedAt,
    endedAt,
    progress,
    crashes,
    result: result && resultView(c, result),
    error,
  };
}

/** An event as our API sends it. */
export function eventView(c: AppContext, { id: _, ...event }: JobEvent): object {
  return event.type === "done" ? { ...event, result: resultView(c, event.result) } : event;
}

function resultView(c: AppContext, { pictures, ...others }: JobResult): object {
  return { pictures: pictures.map(({ hash: _, ...picture }) => ({ ...picture, url: pictureAddress(c, picture) })), ...others };
}
