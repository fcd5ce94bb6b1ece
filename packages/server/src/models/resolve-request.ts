import { ArgumentError } from "darkroom";
import {
  checkRequest,
  type GenerateRequest,
  type LoraRequest,
  type OpenRequest,
  openingOf,
  type RunRequest,
  runOf,
} from "darkroom/generate";
import { type AdapterFile, adapterFiles, embeddingsIn } from "./adapter-folders.js";
import type { NamedSource } from "./named-source.js";
import type { Offer } from "./offer.js";

/** What the server alone decides. A request that says it is refused, since some of it would read files or call servers. */
export const SERVERS_OWN = [
  "model",
  "config",
  "revision",
  "variant",
  "textEncoder",
  "embeddings",
  "ipAdapters",
  "ipAdapterImage",
  "ipAdapterMasks",
  "ipAdapterScale",
  "device",
  "deviceId",
  "precision",
  "quantize",
  "lowMemory",
  "upscaler",
  "hiresUpscaler",
] as const;

/** A request in the library's terms: what is opened, and what is run. */
export interface ResolvedRequest {
  readonly opening: OpenRequest;
  readonly run: RunRequest;
}

/**
 * A request as the library takes it: all that it names is replaced by what the server offers under that name. No path and no address of a
 * request gets through.
 * @throws ArgumentError for a name that is not offered, for options that are the server's own, and for whatever `checkRequest` refuses
 */
export async function resolveRequest(model: string, request: GenerateRequest, offer: Offer): Promise<ResolvedRequest> {
  const argument = SERVERS_OWN.find((option) => request[option] !== undefined);
  if (argument !== undefined) {
    throw new ArgumentError(`${argument} is for the server to choose, not for a request`, { argument, hint: `leave ${argument} out` });
  }
  const checked = checkRequest(request);
  // With the LoRAs that tags in the prompt name.
  const { vae, refiner, controlnet, hiresUpscaler, loras = [], ...others } = openingOf(checked);
  const upscaler = hiresUpscaler === undefined ? undefined : sourceOf("hires.upscaler", hiresUpscaler, offer.upscalers);
  const { localFilesOnly: _, cacheDir: __, ...runtime } = offer.runtime;
  const texts = `${request.prompt ?? ""}\n${request.negativePrompt ?? ""}`;
  const embeddings = embeddingsIn(texts, await adapterFiles(offer.embeddingFolders));
  const opening = {
    ...others,
    ...runtime,
    model: sourceOf("model", model, offer.models),
    ...(vae !== undefined && { vae: sourceOf("vae", vae, offer.vaes) }),
    ...(refiner !== undefined && { refiner: sourceOf("refiner", refiner, offer.models) }),
    ...(controlnet !== undefined && { controlnet: sourcesOf(controlnet, offer.controlnets) }),
    ...(upscaler !== undefined && { hiresUpscaler: upscaler }),
    ...(loras.length > 0 && { loras: locateLoras(loras, await adapterFiles(offer.loraFolders)) }),
    ...(embeddings.length > 0 && { embeddings }),
  };
  const run = runOf(checked);
  return { opening, run: upscaler === undefined ? run : { ...run, hires: { ...run.hires, upscaler } } };
}

/** The source that is offered under a name. @throws ArgumentError */
export function sourceOf(argument: string, name: unknown, offered: readonly NamedSource[]): string {
  const found = offered.find((each) => each.name === name);
  if (found) return found.source;
  const names = offered.map((each) => each.name);
  throw new ArgumentError(`${argument} is ${JSON.stringify(name)?.slice(0, 100)}; the server has no such one`, {
    argument,
    hint: names.length === 0 ? `it offers none: leave ${argument} out` : `it has ${names.join(", ")}`,
  });
}

function sourcesOf(controlnet: NonNullable<GenerateRequest["controlnet"]>, offered: readonly NamedSource[]): string | string[] {
  if (!Array.isArray(controlnet)) return sourceOf("controlnet", controlnet, offered);
  return controlnet.map((each: unknown) => sourceOf("controlnet", each, offered));
}

function locateLoras(loras: readonly LoraRequest[], files: readonly AdapterFile[]): LoraRequest[] {
  return loras.map(({ source, name, ...weights }) => {
    if (source === undefined && name !== undefined) return { ...weights, name, source: loraFile(name, files) };
    throw new ArgumentError("loras holds a LoRA with a source or without a name; a request gives LoRAs by their names", {
      argument: "loras",
      hint: 'such as { "name": "fox", "weight": 0.8 }',
    });
  });
}

function loraFile(name: string, files: readonly AdapterFile[]): string {
  const [file, another] = files.filter((each) => each.name === name);
  if (file && !another) return file.path;
  if (file) throw new ArgumentError(`the server has several LoRAs called ${name}`, { argument: "loras", hint: "rename all but one" });
  const names = files.map((each) => each.name);
  throw new ArgumentError(`the server has no LoRA called ${JSON.stringify(name.slice(0, 100))}`, {
    argument: "loras",
    hint: names.length === 0 ? "it has none: leave it out" : `it has ${names.slice(0, 10).join(", ")}${names.length > 10 ? ", ..." : ""}`,
  });
}
