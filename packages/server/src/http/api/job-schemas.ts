import * as v from "valibot";
import { DOORS, JOB_STATES, OUTPUT_FORMATS } from "../../jobs/job.js";
import { described, fieldSchemas, type JsonSchema, jsonSchema, objectOf, ref } from "../openapi/json-schema.js";

const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const milliseconds = v.pipe(v.number(), v.integer());

const progress = {
  picture: described("The picture that is being made, from 0.", count),
  pictures: described("Pictures to make.", count),
  step: described("Steps done of this picture.", count),
  steps: described("Steps of this picture.", count),
};

const preview = v.object({
  type: described("The preview's media type.", v.picklist(["image/jpeg", "image/png", "image/webp"])),
  base64: described("The preview's bytes in base64.", v.string()),
});

const picture = v.object({
  id: described("A random name, which stands for a key: it cannot be guessed.", v.string()),
  url: described("Where the picture is. It needs no key.", v.string()),
  bytes: described("Bytes of the file.", count),
  type: described("The file's media type.", v.picklist(["image/png", "image/jpeg", "image/webp"])),
  width: described("Width in pixels.", count),
  height: described("Height in pixels.", count),
  seed: described("The picture's own seed, in digits.", v.string()),
  parameters: described("The settings as AUTOMATIC1111's web UI writes them.", v.string()),
});

const result = v.object({
  settings: described("What the run worked with: scheduler, steps, guidance, seeds, device, and so on.", v.record(v.string(), v.unknown())),
  warnings: described("What was asked for and did not come, or not quite.", v.array(v.string())),
  seconds: described("Seconds of loading and of making.", v.object({ load: v.number(), generate: v.number() })),
});

const failure = v.object({
  kind: described("What kind of error it was.", v.picklist(["argument", "checkpoint", "device", "crashed", "unserved", "internal"])),
  message: described("What went wrong.", v.string()),
  hint: described("What to do about it.", v.optional(v.string())),
  argument: described("The request's field that is wrong.", v.optional(v.string())),
});

const job = v.object({
  id: described("The job's name.", v.string()),
  state: described("waiting and running jobs are live; the other states are final.", v.picklist(JOB_STATES)),
  position: described("Place in the queue: 0 while it runs, 1 for the next one; missing when it has ended.", v.optional(count)),
  door: described("The API that the job came through.", v.picklist(DOORS)),
  model: described("The model's name.", v.string()),
  request: described("What was asked for, without the pictures that were sent.", v.record(v.string(), v.unknown())),
  output: described("How pictures are encoded.", v.object({ format: v.picklist(OUTPUT_FORMATS), quality: v.optional(count) })),
  createdAt: described("Milliseconds since 1970.", milliseconds),
  startedAt: described("Milliseconds since 1970; missing before it runs.", v.optional(milliseconds)),
  endedAt: described("Milliseconds since 1970; missing before it ends.", v.optional(milliseconds)),
  progress: described("How far it is; missing before its first step.", v.optional(v.object(progress))),
  crashes: described("Times that it brought its process down. At the second it fails.", count),
});

const model = v.object({
  name: described("What requests call it.", v.string()),
  state: described(
    "ready, or why the rest is unknown: a model of the hub is not-downloaded until its first job.",
    v.optional(v.picklist(["ready", "not-downloaded", "unreadable"])),
  ),
  family: described("Its family, such as Stable Diffusion XL.", v.optional(v.string())),
  className: described("The pipeline's class in diffusers.", v.optional(v.string())),
  defaults: described(
    "Whether it takes a prompt, and its defaults by what a picture starts from: noise, image, mask, control.",
    v.optional(
      v.object({
        takesPrompt: v.boolean(),
        starts: v.record(v.string(), v.object({ steps: count, guidance: v.optional(v.number()), strength: v.optional(v.number()) })),
        enlarges: described("How many times as wide and high as the given picture the new one is.", v.optional(v.number())),
      }),
    ),
  ),
  scheduler: described("Its scheduler's class.", v.optional(v.string())),
  predictionType: described("What its network predicts.", v.optional(v.string())),
  size: described("Side in pixels of the pictures it was trained on.", v.optional(count)),
  bytes: described("Bytes of its weights.", v.optional(count)),
  slots: described("Jobs of this model that can run at a time, on all machines. 0: they wait until a worker with the model comes.", count),
});

const apiError = v.object({
  error: v.object({
    message: described("What is wrong, what was found and what is expected.", v.string()),
    hint: described("What to do about it.", v.optional(v.string())),
    param: described("The field that is wrong.", v.optional(v.string())),
    code: described("A word for programs.", v.string()),
  }),
});

/** Each event's own fields. */
const EVENTS: Readonly<Record<string, readonly [description: string, fields: Readonly<Record<string, JsonSchema>>]>> = {
  waiting: [
    "The job waits. Sent again whenever its place changes.",
    fieldSchemas(v.object({ position: described("1 for the next one to run.", count) })),
  ],
  running: ["The job has begun.", {}],
  step: ["A step is done.", fieldSchemas(v.object(progress))],
  preview: [
    "A picture of an unfinished one, where previewEvery asks for it.",
    { picture: { type: "integer", description: "The picture that is being made, from 0." }, image: jsonSchema(preview) },
  ],
  done: ["The pictures are there. The last event.", { result: ref("JobResult") }],
  failed: ["The job failed. The last event.", { error: ref("JobError") }],
  cancelled: ["The job was cancelled. The last event.", {}],
};

const eventName = (type: string) => `Job${type[0]?.toUpperCase()}${type.slice(1)}Event`;

/** What our API sends. */
export const JOB_SCHEMAS: Readonly<Record<string, JsonSchema>> = {
  Job: withFields(job, { result: ref("JobResult"), error: ref("JobError") }),
  JobResult: {
    ...withFields(result, { pictures: { type: "array", items: ref("JobPicture") } }),
    required: ["pictures", "settings", "warnings", "seconds"],
  },
  JobPicture: jsonSchema(picture),
  JobError: jsonSchema(failure),
  JobEvent: {
    description: "The data of an event. Its name is that of the type.",
    oneOf: Object.keys(EVENTS).map((type) => ref(eventName(type))),
    discriminator: {
      propertyName: "type",
      mapping: Object.fromEntries(Object.keys(EVENTS).map((type) => [type, `#/components/schemas/${eventName(type)}`])),
    },
  },
  JobsEvent: {
    description: "The data of an event among those of several jobs.",
    anyOf: [
      { allOf: [ref("JobEvent"), objectOf({ job: { type: "string", description: "The job's id." } }, ["job"])] },
      objectOf({ type: { const: "unknown" }, job: { type: "string" } }, ["type", "job"]),
    ],
  },
  ...Object.fromEntries(
    Object.entries(EVENTS).map(([type, [description, fields]]) => [
      eventName(type),
      { description, ...objectOf({ type: { const: type }, ...fields }, ["type", ...Object.keys(fields)]) },
    ]),
  ),
  Model: jsonSchema(model),
  ApiError: jsonSchema(apiError),
};

/** The schema of an object with references to other schemas beside its own fields. */
function withFields(schema: v.GenericSchema, references: Readonly<Record<string, JsonSchema>>): JsonSchema {
  const { properties, ...others } = jsonSchema(schema);
  return { ...others, properties: { ...(properties as object), ...references } };
}
