import { wrongArgument } from "../../given.js";
import { type GenerationParameters, PARAMETERS_KEYWORD, parseParameters } from "../parameters.js";
import { readComfyUI } from "./comfyui.js";
import { type FoundSettings, objectOf } from "./fields.js";
import { readInvokeAI } from "./invokeai.js";
import { readNovelAI } from "./novelai.js";
import { readDrawThings, readEasyDiffusion, readFooocus, readSwarmUI } from "./others.js";
import { readPictureTexts, type Texts } from "./picture-texts.js";

/** The settings that a picture was made with, and the program. */
export interface PictureSettings extends GenerationParameters {
  /** Width in pixels. */
  readonly width: number;
  /** Height in pixels. */
  readonly height: number;
  /** The program that wrote the settings, such as `ComfyUI`; undefined if the file has no known ones. */
  readonly software: string | undefined;
  /** AUTOMATIC1111's text, unchanged; undefined if the file has its settings in another layout. */
  readonly parameters: string | undefined;
  /** Keywords or EXIF tags of all the texts in the file. */
  readonly keywords: readonly string[];
}

/**
 * Readers of programs with layouts of their own. A reader returns undefined for another program's file, and `{}` if it finds no settings.
 */
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
 * The settings in a picture's file, under AUTOMATIC1111's names; values stay as they are. Reads PNG texts, and EXIF texts of PNG, JPEG,
 * WebP and the other formats that sharp reads. Knows the layouts of AUTOMATIC1111 (and the many programs that use it), ComfyUI, Draw
 * Things, Easy Diffusion, Fooocus, InvokeAI, NovelAI and SwarmUI.
 * @param bytes the whole file.
 * @throws ArgumentError if it is not an image file, or is a damaged PNG file.
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

/** AUTOMATIC1111's text. A UserComment must have a settings line: cameras and phones write comments, too. */
function parametersIn({ [PARAMETERS_KEYWORD]: parameters, UserComment: comment }: Texts): string | undefined {
  const isJson = (text: string) => text.trimStart().startsWith("{") && objectOf(text) !== undefined;
  if (parameters !== undefined && !isJson(parameters)) return parameters;
  return comment !== undefined && !isJson(comment) && /\bSteps: \d/.test(comment) ? comment : undefined;
}

/**
 * The program that wrote settings in AUTOMATIC1111's layout. Its own versions are numbers, Forge's begin with f; other programs write their
 * name first.
 */
function writerOf({ App: app, Version: version = "" }: GenerationParameters["settings"]): string {
  if (app !== undefined) return app;
  if (/^f\d/.test(version)) return "Forge";
  return /^\p{L}[\p{L}\d_.-]+/u.exec(version)?.[0].replace(/^v\d.*$/, "AUTOMATIC1111") ?? "AUTOMATIC1111";
}
