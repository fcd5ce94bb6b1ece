import { JOB_STATES } from "../../jobs/job.js";
import type { Limits } from "../limits.js";
import { fieldSchemas, type JsonSchema, objectOf, ref } from "../openapi/json-schema.js";
import { type ApiDescription, json, type Parameter } from "../openapi/operation.js";
import { optionSchemas } from "../openapi/option-schemas.js";
import { MOST_FOLLOWED } from "./job-events.js";
import { ownFields } from "./job-request.js";
import { JOB_SCHEMAS } from "./job-schemas.js";
import { MOST_LISTED } from "./jobs-api.js";

const ID: Parameter = { name: "id", in: "path", description: "The job's id.", schema: { type: "string" } };

/** Our own API, as the document shows it. */
export function jobsApiDescription(limits: Limits): ApiDescription {
  return {
    name: "Jobs",
    description:
      "Darkroom's own API. A job outlives its connection: it is submitted, watched by its events and cancelled by its id. " +
      "Fields are the options of darkroom/generate; an unknown one is an error that names the nearest. " +
      "With API keys, a job is known to the key that submitted it only.",
    error: "ApiError",
    schemas: {
      JobRequest: { ...objectOf({ ...optionSchemas(limits), ...fieldSchemas(ownFields) }), additionalProperties: false },
      ...JOB_SCHEMAS,
      Catalog: catalog(limits),
    },
    operations: [
      {
        method: "post",
        path: "/api/jobs",
        summary: "Submit a job",
        description:
          "The reply comes at once. The job is durable: it survives a restart of the server. A field that is null counts as missing.",
        parameters: [
          {
            name: "Idempotency-Key",
            in: "header",
            description: "A request that is sent again with the same key gives the job that is there already. Of 1 to 255 characters.",
            schema: { type: "string", minLength: 1, maxLength: 255 },
          },
        ],
        body: { "application/json": ref("JobRequest") },
        example: { prompt: "a red fox in the snow", seed: 7, previewEvery: 5 },
        replies: { 202: json("The job is in the queue.", ref("Job"), { location: "The job's path." }) },
        errors: [400, 404, 413, 422, 429, 503],
      },
      {
        method: "get",
        path: "/api/jobs",
        summary: "List jobs, newest first",
        parameters: [
          {
            name: "state",
            in: "query",
            description: "Only jobs in this state, or in one of several with commas between them.",
            schema: { type: "string", pattern: `^(${JOB_STATES.join("|")})(,(${JOB_STATES.join("|")}))*$` },
          },
          {
            name: "limit",
            in: "query",
            description: "Jobs at most; 100 by default.",
            schema: { type: "integer", minimum: 1, maximum: MOST_LISTED },
          },
          {
            name: "before",
            in: "query",
            description: "Only jobs older than the one of this id: the next page.",
            schema: { type: "string" },
          },
        ],
        replies: { 200: json("The caller's jobs.", objectOf({ jobs: { type: "array", items: ref("Job") } }, ["jobs"])) },
        errors: [400],
      },
      {
        method: "get",
        path: "/api/jobs/:id",
        summary: "Ask for a job",
        parameters: [ID],
        replies: { 200: json("The job as it is now.", ref("Job")) },
        errors: [404],
      },
      {
        method: "delete",
        path: "/api/jobs/:id",
        summary: "Cancel a job",
        description: "A job that waits or runs is cancelled, at any step. One that has ended stays as it is.",
        parameters: [ID],
        replies: { 200: json("The job as it is then.", ref("Job")) },
        errors: [404],
      },
      {
        method: "get",
        path: "/api/jobs/:id/events",
        summary: "Watch a job",
        description:
          "Server-sent events until the job has ended: waiting, running, step, preview, then done, failed or cancelled. " +
          "A client that comes late gets the last state first. Comment lines show that the connection is alive.",
        parameters: [
          ID,
          {
            name: "Last-Event-ID",
            in: "header",
            description: "The last event that the client has. Only later ones are sent. Browsers send it by themselves.",
            schema: { type: "integer", minimum: 0 },
          },
          {
            name: "after",
            in: "query",
            description: "The same for clients that cannot set headers.",
            schema: { type: "integer", minimum: 0 },
          },
        ],
        replies: {
          200: { description: "The events.", content: { "text/event-stream": ref("JobEvent") } },
          204: { description: "There are no more events. Browsers then stop connecting again." },
        },
        errors: [404, 429],
      },
      {
        method: "get",
        path: "/api/events",
        summary: "Watch several jobs over one connection",
        description:
          "Server-sent events as those of one job, each with its job's id, until all jobs have ended. " +
          "A job that does not exist, or that is another caller's, has the event unknown.",
        parameters: [
          {
            name: "jobs",
            in: "query",
            description:
              `The ids of 1 to ${MOST_FOLLOWED} jobs, with commas between them. ID:NUMBER asks for the events after the one of this ` +
              "number, which is the id that it was sent with: numbers are each job's own. By default all jobs that wait or run now.",
            schema: { type: "string" },
          },
        ],
        replies: { 200: { description: "The events.", content: { "text/event-stream": ref("JobsEvent") } } },
        errors: [400, 429],
      },
      {
        method: "get",
        path: "/api/models",
        summary: "List everything that requests can name",
        replies: { 200: json("Models, networks, adapters, schedulers and the server's limits.", ref("Catalog")) },
      },
    ],
  };
}

function catalog(limits: Limits): JsonSchema {
  const text = { type: "string" };
  const names = (description: string) => ({ type: "array", items: text, description });
  const fields = {
    default: { ...text, description: "The model of requests that name none." },
    models: { type: "array", items: ref("Model"), description: "The models." },
    vaes: names("Autoencoders for vae."),
    controlnets: names("Networks for controlnet."),
    upscalers: names("Upscalers for hires.upscaler."),
    loras: names("LoRAs for loras, and for tags in prompts."),
    embeddings: names("Embeddings, which prompts name by these words."),
    schedulers: names("Short names for scheduler. Class names of diffusers are taken, too."),
    limits: objectOf(Object.fromEntries(Object.keys(limits).map((name) => [name, { type: "integer" }])), Object.keys(limits)),
  };
  return objectOf(fields, Object.keys(fields));
}
