import { EXAMPLE_PICTURE, type JsonSchema, objectOf, ref } from "../openapi/json-schema.js";
import { type ApiDescription, json, type Operation } from "../openapi/operation.js";
import { EXTRA_SCHEMAS } from "./extras.js";
import { INFO_SCHEMA, LIST_SCHEMAS, PROGRESS_SCHEMA } from "./list-schemas.js";
import { EMPTY_LISTS, REFRESHES } from "./lists.js";
import { DETECT_SCHEMA } from "./preprocessors.js";
import { BODY_SCHEMAS } from "./request.js";
import { SETTING_SCHEMAS } from "./settings.js";

const text: JsonSchema = { type: "string" };

/** The web UI's reply where there is nothing to say. */
const done = json("Done.", { type: "null" });

const PICTURES = objectOf(
  {
    images: { type: "array", items: text, description: "The pictures: files in base64." },
    parameters: { type: "object", description: "The request's fields, null where it has none." },
    info: {
      ...text,
      contentMediaType: "application/json",
      contentSchema: ref("PictureInfo"),
      description: "What was made, as JSON in a text.",
    },
  },
  ["images", "parameters", "info"],
);

function making(kind: "txt2img" | "img2img", summary: string, example: object): Operation {
  return {
    method: "post",
    path: `/sdapi/v1/${kind}`,
    summary,
    description: "A reply that takes longer than a minute begins with blanks; if the job fails after that, the connection is cut.",
    body: { "application/json": ref(kind === "txt2img" ? "Txt2Img" : "Img2Img") },
    example,
    replies: { 200: json("The pictures.", ref("Pictures")) },
    errors: [400, 404, 409, 413, 422, 429, 503],
  };
}

function extra(name: keyof typeof EXTRA_SCHEMAS, summary: string, example: object, reply: JsonSchema): Operation {
  return {
    method: "post",
    path: `/sdapi/v1/${name}`,
    summary,
    body: { "application/json": objectOf(EXTRA_SCHEMAS[name]) },
    example,
    replies: { 200: json("The result.", reply) },
    errors: [400, 413, 422],
  };
}

const TASKS: readonly Operation[] = [
  {
    method: "get",
    path: "/sdapi/v1/progress",
    summary: "Ask how far the caller's request is",
    description: "The caller's oldest request of this API. While a caller asks for it, its requests make previews.",
    parameters: [
      {
        name: "skip_current_image",
        in: "query",
        description: "Whether the preview is left out; false by default.",
        schema: { type: "boolean" },
      },
    ],
    replies: { 200: json("The progress.", PROGRESS_SCHEMA) },
  },
  {
    method: "post",
    path: "/sdapi/v1/interrupt",
    summary: "Stop the caller's requests",
    description: "Only requests of the same caller that came through this API. They reply with the pictures that are finished.",
    replies: { 200: json("They stop.", { type: "object" }) },
  },
  { method: "post", path: "/sdapi/v1/skip", summary: "Skip the job that runs, of the caller's oldest request", replies: { 200: done } },
  {
    method: "get",
    path: "/sdapi/v1/options",
    summary: "Ask for the caller's options",
    replies: {
      200: json("The options, and others of the web UI that never change.", { ...objectOf(SETTING_SCHEMAS), additionalProperties: true }),
    },
  },
  {
    method: "post",
    path: "/sdapi/v1/options",
    summary: "Change the caller's options",
    description: "All or some of them. They are each caller's own, for as long as the server runs. Others of the web UI have no effect.",
    body: { "application/json": objectOf(SETTING_SCHEMAS) },
    example: { samples_format: "png" },
    replies: { 200: done },
    errors: [400, 404, 413, 422],
  },
];

const NOT_HERE = "Always empty: the server has none.";

/** AUTOMATIC1111's API, as the document shows it. */
export const A1111_DESCRIPTION: ApiDescription = {
  name: "AUTOMATIC1111",
  description:
    "The API of AUTOMATIC1111's web UI, for its clients as they are. A field that is null counts as missing, and other fields are let pass. " +
    "What is asked for and has no effect is named in the warnings of info. A client that closes its connection cancels its jobs.",
  error: "A1111Error",
  schemas: {
    Txt2Img: objectOf(BODY_SCHEMAS.txt2img),
    Img2Img: objectOf(BODY_SCHEMAS.img2img, ["init_images"]),
    Pictures: PICTURES,
    PictureInfo: INFO_SCHEMA,
    A1111Error: objectOf(
      {
        detail: {
          description: "What is wrong; a list of fields with status 422.",
          anyOf: [
            text,
            { type: "array", items: objectOf({ loc: { type: "array", items: {} }, msg: text, type: text }, ["loc", "msg", "type"]) },
          ],
        },
        error: text,
        body: text,
        errors: text,
      },
      ["detail"],
    ),
  },
  operations: [
    making("txt2img", "Make pictures", { prompt: "a red fox in the snow", seed: 7, steps: 4 }),
    making("img2img", "Make pictures from pictures", {
      prompt: "a red fox in the snow",
      init_images: [EXAMPLE_PICTURE],
      steps: 4,
      denoising_strength: 0.6,
    }),
    ...TASKS,
    extra(
      "extra-single-image",
      "Make a picture larger",
      { image: EXAMPLE_PICTURE, upscaler_1: "Lanczos", upscaling_resize: 8 },
      objectOf({ html_info: text, image: { ...text, description: "The picture: a file in base64." } }, ["html_info", "image"]),
    ),
    extra(
      "extra-batch-images",
      "Make pictures larger",
      { imageList: [{ data: EXAMPLE_PICTURE, name: "a.png" }], upscaler_1: "Lanczos", upscaling_resize: 8 },
      objectOf({ html_info: text, images: { type: "array", items: text } }, ["html_info", "images"]),
    ),
    extra(
      "png-info",
      "Read the settings in a picture",
      { image: EXAMPLE_PICTURE },
      objectOf(
        {
          info: { ...text, description: "The settings as the web UI writes them." },
          items: { type: "object" },
          parameters: { type: "object" },
        },
        ["info", "items", "parameters"],
      ),
    ),
    {
      method: "post",
      path: "/controlnet/detect",
      summary: "Prepare pictures for a ControlNet",
      body: { "application/json": objectOf(DETECT_SCHEMA) },
      example: { controlnet_module: "canny", controlnet_input_images: [EXAMPLE_PICTURE] },
      replies: {
        200: json(
          "What the preprocessor makes of them.",
          objectOf({ images: { type: "array", items: text, description: "Files in base64." }, info: text }, ["images", "info"]),
        ),
      },
      errors: [400, 413, 422],
    },
    {
      method: "post",
      path: "/sdapi/v1/interrogate",
      summary: "Always an error: there is no model that describes pictures",
      replies: {},
      errors: [404],
    },
    ...Object.entries(LIST_SCHEMAS).map(
      ([path, [summary, schema]]): Operation => ({
        method: "get",
        path,
        summary,
        replies: { 200: json("The list.", schema) },
      }),
    ),
    ...EMPTY_LISTS.map(
      (path): Operation => ({
        method: "get",
        path,
        summary: NOT_HERE,
        replies: { 200: json("An empty list.", { type: "array", maxItems: 0 }) },
      }),
    ),
    ...REFRESHES.map(
      (path): Operation => ({
        method: "post",
        path,
        summary: "Does nothing: lists are read anew each time, and models are loaded and closed as they are needed",
        replies: { 200: done },
      }),
    ),
  ],
};
