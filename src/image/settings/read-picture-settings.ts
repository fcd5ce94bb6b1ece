import { wrongArgument } from "../../given.js";
import { type GenerationParameters, PARAMETERS_KEYWORD, parseParameters } from "../parameters.js";
import { readComfyUI } from "./comfyui.js";
import { type FoundSettings, objectOf } from "./fields.js";
import { readInvokeAI } from "./invokeai.js";
import { readNovelAI } from "./novelai.js";
import { readDrawThings, readEasyDiffusion, readFooocus, readSwarmUI } from "./others.js";
import { readPictureTexts, type Texts } from "./picture-texts.js";

/** How a picture was made, and with what. */
export interface PictureSettings extends GenerationParameters {
  /** Pixels. */
  readonly width: number;
  /** Height in pixels. */
  readonly height: number;
  /** The program that wrote them, such as `ComfyUI`; undefined where the file has none that are known. */
  readonly software: string | undefined;
  /** AUTOMATIC1111's text as it is in the file; undefined where the settings have another form there. */
  readonly parameters: string | undefined;
  /** Keywords or EXIF tags of all the texts in the file. */
  readonly keywords: readonly string[];
}

/** Programs that write settings in a form of their own: what reads them gives nothing for files of others, and `{}` where it finds no settings. */
const READERS: readonly (readonly [software: string, read: (texts: Texts) => FoundSettings | undefined])[] = [
  ["InvokeAI", readInvokeAI],
  ["NovelAI", readNovelAI],
  ["Fooocus", readFooocus],
  ["SwarmUI", readSwarmUI],
  ["Easy Diffusion", readEasyDiffusion],
  ["Draw Things", readDrawThings],
  ["ComfyUI", readComfyUI],
];

/**
 * The settings in a picture's file, under AUTOMATIC1111's names whatever program wrote them; values are left as they are there. Read are PNG text,
 * and of PNG, JPEG, WebP and what else sharp reads EXIF UserComment: of AUTOMATIC1111 and the many programs that write as it does, and of ComfyUI,
 * Draw Things, Easy Diffusion, Fooocus, InvokeAI, NovelAI and SwarmUI.
 * @param bytes the whole file.
 * @throws ArgumentError if it is no image file, or a PNG file that is damaged.
 */
export async function readPictureSettings(bytes: Uint8Array): Promise<PictureSettings> {
  if (!(bytes instanceof Uint8Array)) throw wrongArgument("bytes", bytes, "the bytes of an image file: await readFile(path)");
  const { texts, width, height } = await readPictureTexts(bytes);
  const common = { width, height, keywords: Object.keys(texts) };
  const parameters = parametersIn(texts);
  if (parameters !== undefined) {
    const read = parseParameters(parameters);
    return { ...common, ...read, software: writerOf(read.settings), parameters };
  }
  for (const [software, read] of READERS) {
    const found = read(texts);
    if (found) return { ...common, prompt: "", negativePrompt: "", settings: {}, ...found, software, parameters };
  }
  return { ...common, prompt: "", negativePrompt: "", settings: {}, software: undefined, parameters };
}

/** AUTOMATIC1111's text. Cameras and phones write comments too, so there it must have a settings line. */
function parametersIn({ [PARAMETERS_KEYWORD]: parameters, UserComment: comment }: Texts): string | undefined {
  const isJson = (text: string) => text.trimStart().startsWith("{") && objectOf(text) !== undefined;
  if (parameters !== undefined && !isJson(parameters)) return parameters;
  return comment !== undefined && !isJson(comment) && /\bSteps: \d/.test(comment) ? comment : undefined;
}

/** Who wrote settings in AUTOMATIC1111's layout. Its own versions are numbers, Forge's have an f before them; others begin with their name. */
function writerOf({ App: app, Version: version = "" }: GenerationParameters["settings"]): string {
  if (app !== undefined) return app;
  if (/^f\d/.test(version)) return "Forge";
  return /^\p{L}[\p{L}\d_.-]+/u.exec(version)?.[0].replace(/^v\d.*$/, "AUTOMATIC1111") ?? "AUTOMATIC1111";
}
