import { locationOf } from "#platform";
import type { GenerateRequest } from "../generate/request.js";
import { embeddedCheckpointPath } from "../hub/embedded.js";
import type { FoundFile } from "../hub/open-file.js";
import type { GenerateOptions } from "./generate-options.js";
import type { MadePictures } from "./make-pictures.js";

/** What `--json` prints. Fields that are undefined are not printed. */
export async function generateJson(options: GenerateOptions, request: GenerateRequest, made: MadePictures): Promise<string> {
  const { settings, paths, grid, width, height, seconds } = made;
  const { loras, embeddings, device, precision } = settings;
  return JSON.stringify({
    paths,
    grid,
    seeds: settings.seeds.map(toJsonInteger),
    width,
    height,
    prompt: settings.prompt ?? null,
    negativePrompt: settings.negativePrompt ?? "",
    steps: settings.numInferenceSteps,
    guidance: settings.guidanceScale ?? null,
    scheduler: settings.scheduler,
    prediction: settings.predictionType,
    spacing: settings.timestepSpacing,
    model: request.model ?? embeddedCheckpointPath(),
    revision: request.revision,
    ...(loras.length > 0 && { loras: await Promise.all(loras.map(async (lora) => ({ ...lora, file: await pathOf(lora.file) }))) }),
    ...(embeddings.length > 0 && {
      embeddings: await Promise.all(embeddings.map(async ({ tokens, file, hash }) => ({ tokens, file: await pathOf(file), hash }))),
    }),
    ...(options.weighted && { weighted: true }),
    ...(options.control && {
      controls: settings.controls.map(({ scale, start, end, mode, preprocessor, resizeMode }, i) => ({
        model: options.control?.[i] ?? options.control?.[0],
        mode,
        ...(preprocessor !== undefined && preprocessor !== "none" && { preprocessor }),
        ...(resizeMode && resizeMode !== "default" && { resize: resizeMode }),
        image: options.controlImage?.[i],
        scale,
        start,
        end,
      })),
      guess: options.controlGuess,
    }),
    ...(options.ipAdapter && {
      ipAdapters: options.ipAdapter.map((model, i) => ({
        model,
        images: options.ipImage?.flatMap(({ source }, k) => (options.ipAdapter?.length === 1 || k === i ? [source] : [])),
        masks: options.ipMask?.filter((_, k) => options.ipAdapter?.length === 1 || k === i),
        scale: settings.ipAdapters?.[i]?.scale,
      })),
    }),
    image: options.image?.length === 1 ? options.image[0] : options.image,
    mask: options.mask,
    maskPadding: options.maskPadding,
    strength: settings.strength,
    vae: options.vae,
    refiner: options.refiner && { model: options.refiner, from: settings.denoisingEnd },
    device,
    precision,
    cache: options.cache?.interval ?? options.cache?.threshold,
    seconds,
  });
}

async function pathOf({ folder, path }: FoundFile): Promise<string> {
  return locationOf(await folder.file(path));
}

/** A number; beyond 2^53 its digits as a string, since most readers of JSON would round it. */
function toJsonInteger(value: bigint): number | string {
  return value <= Number.MAX_SAFE_INTEGER ? Number(value) : String(value);
}
