import { OUTPUT_FORMATS } from "../../jobs/job.js";
import type { Limits } from "../limits.js";
import { objectOf, ref } from "../openapi/json-schema.js";
import type { ApiDescription, Operation } from "../openapi/operation.js";
import { PATHS } from "./routes.js";
import { parameterSchemas } from "./task-request.js";

/** Hugging Face's tasks, as the document shows them. */
export function huggingfaceDescription(limits: Limits): ApiDescription {
  const options = parameterSchemas(limits);
  const size = objectOf({ width: options.width ?? {}, height: options.height ?? {} });
  const parameters = { ...options, target_size: { ...size, description: "The same as width and height." } };
  const request = {
    inputs: { type: "string", description: "textToImage: the prompt. imageToImage: the picture to start from, in base64." },
    parameters: {
      ...objectOf(parameters),
      description: "Options, with the prompt of imageToImage among them. An unknown one is an error.",
    },
  };
  const picture = { type: "string", format: "binary", description: "The picture to start from." };
  return {
    name: "Hugging Face",
    description:
      "textToImage and imageToImage of Hugging Face's clients, with this server's address as endpoint. The reply is one picture. " +
      "A client that closes its connection cancels its job.",
    error: "HuggingfaceError",
    schemas: {
      TaskRequest: objectOf(request, ["inputs"]),
      HuggingfaceError: objectOf({ error: { type: "string", description: "What is wrong, and what is expected." } }, ["error"]),
    },
    operations: PATHS.map(
      (path): Operation => ({
        method: "post",
        path,
        summary: path.includes(":id") ? "Make a picture with a model" : "Make a picture",
        parameters: path.includes(":id")
          ? [{ name: "id", in: "path", description: "The model: NAME, or OWNER/NAME.", schema: { type: "string" } }]
          : [],
        body: { "application/json": ref("TaskRequest"), "application/octet-stream": picture, "image/*": picture },
        example: { inputs: "a red fox in the snow", parameters: { seed: 7 } },
        replies: {
          200: {
            description: "The picture, in the format that Accept names; png by default.",
            content: Object.fromEntries(OUTPUT_FORMATS.map((format) => [`image/${format}`, { type: "string", format: "binary" }])),
            headers: { "x-seed": "The picture's own seed.", warning: "What was asked for and did not come, or not quite." },
          },
        },
        errors: [400, 404, 409, 413, 429, 503],
      }),
    ),
  };
}
