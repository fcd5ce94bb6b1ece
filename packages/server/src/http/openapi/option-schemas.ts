import { generateRequest } from "darkroom/generate";
import { SERVERS_OWN } from "../../models/resolve-request.js";
import type { Limits } from "../limits.js";
import { fieldSchemas, type JsonSchema } from "./json-schema.js";

/** Options that name what the server offers; in the library, they are paths. */
const NAMES: Readonly<Record<string, JsonSchema>> = {
  vae: { type: "string", description: "An autoencoder of GET /api/models instead of the model's own." },
  refiner: { type: "string", description: "A model of GET /api/models that takes the last denoising steps." },
  controlnet: {
    anyOf: [{ type: "string" }, { type: "array", items: { type: "string" }, minItems: 1 }],
    description: "A ControlNet, ControlNet Union or T2I-Adapter of GET /api/models to follow a picture, or a list of several.",
  },
  loras: {
    type: "array",
    items: {
      type: "object",
      properties: {
        name: { type: "string", description: "The name of a LoRA of GET /api/models." },
        weight: { type: "number", description: "How strongly it acts; 1 by default." },
        unetWeight: { type: "number", description: "How strongly it acts on the UNet, if that differs from the text encoders." },
      },
      required: ["name"],
      additionalProperties: false,
    },
    description: "LoRAs to load, in order. Tags in the prompt, <lora:name:0.8>, add more.",
  },
};

/** Values where the type does not say enough. */
const EXAMPLES: Readonly<Record<string, unknown>> = {
  prompt: "a red fox in the snow",
  negativePrompt: "blurry",
  numInferenceSteps: 20,
  guidanceScale: 7.5,
  seed: 7,
  scheduler: "euler-a",
  schedulerConfig: { useKarrasSigmas: true },
  cache: { interval: 3 },
};

/** The options of `darkroom/generate` that requests can have, within the server's limits. */
export function optionSchemas(limits: Limits): Readonly<Record<string, JsonSchema>> {
  const most: Readonly<Record<string, JsonSchema>> = {
    prompt: { maxLength: limits.maxPromptLength },
    negativePrompt: { maxLength: limits.maxPromptLength },
    numInferenceSteps: { maximum: limits.maxSteps },
    numImagesPerPrompt: { maximum: limits.maxBatch },
  };
  const options = Object.entries({ ...fieldSchemas(generateRequest), ...NAMES }).filter(
    ([name]) => !SERVERS_OWN.some((own) => own === name),
  );
  return Object.fromEntries(
    options.map(([name, schema]) => [name, { ...schema, ...most[name], ...(name in EXAMPLES && { examples: [EXAMPLES[name]] }) }]),
  );
}
