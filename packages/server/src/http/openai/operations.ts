import type { Limits } from "../limits.js";
import { EXAMPLE_PICTURE, type JsonSchema, objectOf, ref } from "../openapi/json-schema.js";
import { type ApiDescription, json, type Operation } from "../openapi/operation.js";
import type { ImageCall } from "./image-request.js";
import { imageFields, OPENAI_SCHEMAS, PICTURES_IN_FORM, PICTURES_IN_JSON } from "./image-schemas.js";

const CALLS: Readonly<Record<ImageCall, { readonly summary: string; readonly required: readonly string[]; readonly description: string }>> =
  {
    generations: {
      summary: "Make pictures",
      required: ["prompt"],
      description: "With an image, the pictures start from it.",
    },
    edits: {
      summary: "Change a picture",
      required: ["prompt", "image"],
      description: "The whole picture, or with a mask a part of it.",
    },
    variations: {
      summary: "Make variations of a picture",
      required: ["image"],
      description: "As edits, and the prompt may be missing.",
    },
  };

const REPLIES: Operation["replies"] = {
  200: {
    description:
      "The pictures, or with stream: true the events, named as OpenAI's. A reply in JSON that takes longer than a minute begins with blanks; " +
      "if the job fails after that, the connection is cut. In a stream, a failure is an event called error.",
    content: { "application/json": ref("Images"), "text/event-stream": ref("ImageEvent") },
  },
};

/** OpenAI's images API, as the document shows it. */
export function openaiDescription(limits: Limits): ApiDescription {
  const fields = imageFields(limits);
  const schema = (name: ImageCall, pictures: Readonly<Record<string, JsonSchema>>) =>
    objectOf({ ...fields, ...pictures }, CALLS[name].required);
  const calls = Object.entries(CALLS) as [ImageCall, (typeof CALLS)[ImageCall]][];
  return {
    name: "OpenAI",
    description:
      "OpenAI's images API, for its clients as they are: https://platform.openai.com/docs/api-reference/images. " +
      "The options of darkroom/generate are further fields, in snake_case or camelCase; fields with other names are let pass. " +
      "A client that closes its connection cancels its job.",
    error: "OpenaiError",
    schemas: {
      ...Object.fromEntries(calls.map(([name]) => [`Image${name[0]?.toUpperCase()}${name.slice(1)}`, schema(name, PICTURES_IN_JSON)])),
      ...OPENAI_SCHEMAS,
    },
    operations: [
      ...calls.map(
        ([name, { summary, description, required }]): Operation => ({
          method: "post",
          path: `/v1/images/${name}`,
          summary,
          description,
          body: {
            "application/json": ref(`Image${name[0]?.toUpperCase()}${name.slice(1)}`),
            "multipart/form-data": schema(name, PICTURES_IN_FORM),
          },
          example: {
            ...(required.includes("image") && { image: EXAMPLE_PICTURE }),
            prompt: "a red fox in the snow",
            n: 2,
            seed: 7,
          },
          replies: REPLIES,
          errors: [400, 404, 409, 413, 429, 503],
        }),
      ),
      {
        method: "get",
        path: "/v1/models",
        summary: "List models",
        replies: { 200: json("The models.", ref("OpenaiModels")) },
      },
      {
        method: "get",
        path: "/v1/models/:id{.+}",
        summary: "Ask for a model",
        parameters: [{ name: "id", in: "path", description: "The model's name.", schema: { type: "string" } }],
        replies: { 200: json("The model.", ref("OpenaiModel")) },
        errors: [404],
      },
    ],
  };
}
