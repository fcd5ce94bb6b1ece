import { OUTPUT_FORMATS } from "../jobs/job.js";
import { NOT_READY } from "./health.js";
import { objectOf } from "./openapi/json-schema.js";
import { type ApiDescription, json } from "./openapi/operation.js";

const status = (word: string) => objectOf({ status: { const: word } }, ["status"]);

const NOT_READY_BODY = objectOf({ status: { const: "not ready" }, reason: { enum: [...NOT_READY] } }, ["status", "reason"]);

/** What is about the server itself, as the document shows it. Its errors are those of our API. */
export const SERVER_DESCRIPTION: ApiDescription = {
  name: "Server",
  description: "The page, finished pictures, probes, metrics and this documentation.",
  error: "ApiError",
  schemas: {},
  operations: [
    {
      method: "get",
      path: "/",
      summary: "The page for people",
      replies: { 200: { description: "The page.", content: { "text/html": { type: "string" } } } },
      errors: [501],
    },
    {
      method: "get",
      path: "/assets/:name",
      summary: "A file of the page",
      parameters: [{ name: "name", in: "path", description: "The file's name.", schema: { type: "string" } }],
      replies: { 200: { description: "The file. It never changes.", content: { "*/*": {} } } },
      errors: [404, 501],
    },
    {
      method: "get",
      path: "/files/:id",
      summary: "Get a finished picture",
      parameters: [
        { name: "id", in: "path", description: "The picture's random name.", schema: { type: "string", pattern: "^[\\w-]{16,64}$" } },
      ],
      replies: {
        200: {
          description: "The file. It never changes.",
          content: Object.fromEntries(OUTPUT_FORMATS.map((format) => [`image/${format}`, { type: "string", format: "binary" }])),
        },
      },
      errors: [404],
    },
    { method: "get", path: "/health", summary: "Whether the process answers", replies: { 200: json("It does.", status("ok")) } },
    {
      method: "get",
      path: "/ready",
      summary: "Whether the server takes jobs",
      replies: {
        200: json("It does.", status("ready")),
        503: json("It shuts down, its disk is full, or its queue or its store of pictures fails.", NOT_READY_BODY),
      },
    },
    {
      method: "get",
      path: "/metrics",
      summary: "Numbers for Prometheus",
      description: "Queue length, waiting time, step time and memory by model, and those of Node.",
      replies: { 200: { description: "The numbers.", content: { "text/plain": { type: "string" } } } },
    },
    {
      method: "get",
      path: "/openapi.json",
      summary: "This document",
      replies: { 200: json("An OpenAPI 3.1 document.", { type: "object" }) },
    },
    {
      method: "get",
      path: "/docs",
      summary: "This document as a page",
      replies: { 200: { description: "The page.", content: { "text/html": { type: "string" } } } },
    },
  ],
};
