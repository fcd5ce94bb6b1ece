import { ArgumentError } from "darkroom";
import { generateRequest, mistypedName } from "darkroom/generate";
import * as v from "valibot";
import { type NewJob, OUTPUT_FORMATS } from "../../jobs/job.js";
import { SERVERS_OWN } from "../../models/resolve-request.js";
import { HttpError } from "../http-error.js";
import { prepareRequest } from "../prepare-request.js";
import type { ServerContext } from "../server-context.js";

/** What a job has beside the options of `darkroom/generate`. */
export const ownFields = v.object({
  model: v.optional(v.pipe(v.string(), v.description("The name of a model of GET /api/models. The first one by default."))),
  format: v.optional(v.pipe(v.picklist(OUTPUT_FORMATS), v.description("How pictures are encoded; png by default."))),
  quality: v.optional(
    v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(100), v.description("Quality of JPEG and WebP, from 1 to 100.")),
  ),
  previewEvery: v.optional(
    v.pipe(v.number(), v.integer(), v.minValue(0), v.description("A preview after every this many steps; 0, the default, for none.")),
  ),
});

type OwnFields = v.InferOutput<typeof ownFields>;

/** What each field of ours must be, for errors. */
const EXPECTED: Readonly<Record<keyof OwnFields, string>> = {
  model: "the name of a model",
  format: "png, jpeg or webp",
  quality: "a whole number from 1 to 100",
  previewEvery: "a whole number, at least 0",
};

/**
 * The job that a request to our own API asks for. @throws ArgumentError for an unknown or wrong field @throws HttpError for an unknown
 * model
 */
export async function jobRequest(server: ServerContext, body: Readonly<Record<string, unknown>>): Promise<NewJob> {
  const { own, options } = split(body);
  const name = own.model ?? server.models.defaultModel;
  const model = await server.models.model(name);
  if (!model) throw noSuchModel(name, server.models.modelNames);
  const request = await prepareRequest(server, model.name, options).catch((error: unknown) => {
    throw withOwnFields(error);
  });
  const { format = "png", quality, previewEvery = 0 } = own;
  return {
    door: "api",
    model: model.name,
    request,
    output: { format, ...(quality !== undefined && format !== "png" && { quality }) },
    previewEvery,
  };
}

function split(body: Readonly<Record<string, unknown>>): { own: OwnFields; options: Record<string, unknown> } {
  const fields = Object.entries(body).filter(([, value]) => value !== null);
  const isOwn = ([name]: [string, unknown]) => Object.hasOwn(EXPECTED, name);
  // Not by assignment: a field can be called __proto__.
  const own = Object.fromEntries(fields.filter(isOwn));
  const options = Object.fromEntries(fields.filter((field) => !isOwn(field)));
  const checked = v.safeParse(ownFields, own);
  if (checked.success) return { own: checked.output, options };
  const name = v.getDotPath(checked.issues[0]) as keyof OwnFields;
  throw new ArgumentError(`${name} is ${JSON.stringify(own[name])?.slice(0, 100)}; expected ${EXPECTED[name]}`, { argument: name });
}

/** The library does not know our fields, and knows options that are the server's to choose. */
function withOwnFields(error: unknown): unknown {
  const { argument } = error instanceof ArgumentError ? error : { argument: undefined };
  // Of "cache.interval", the option is the first part; a long name is cut.
  const isUnknown = argument !== undefined && !Object.hasOwn(knownOptions(), argument.replace(/[.[].*/s, ""));
  if (!(error instanceof ArgumentError) || !isUnknown) return error;
  const fields = [...Object.keys(EXPECTED), ...Object.keys(knownOptions()).filter((name) => !SERVERS_OWN.some((own) => own === name))];
  const meant = mistypedName(argument, fields);
  const isList = error.hint === undefined || error.hint.startsWith("its options are");
  const librarys = isList ? `its fields are ${fields.join(", ")}` : error.hint;
  return new ArgumentError(error.message.replace("generate has no option", "a job has no field"), {
    argument,
    hint: meant === undefined ? librarys : `did you mean ${meant}?`,
  });
}

function knownOptions(): object {
  return (generateRequest as unknown as { entries: object }).entries;
}

function noSuchModel(name: string, names: readonly string[]): HttpError {
  const meant = mistypedName(name, names);
  return new HttpError(404, `the server has no model ${JSON.stringify(name).slice(0, 100)}`, {
    code: "model_not_found",
    param: "model",
    hint: meant === undefined ? `its models are ${names.join(", ")}` : `did you mean ${meant}?`,
  });
}
