import type { Wording } from "../wording.js";
import { isObject, type Json, type JsonObject, parseJson, printable, quote } from "./json.js";

/** What a file is instead of the expected one, and what to do. */
export interface ForeignFile {
  /** A clause: `it is a web page`. */
  readonly what: string;
  readonly hint: Wording;
  /** Whether it is certainly not a pickle: true for known formats, false for a pickle or unknown text. */
  readonly isCertain?: boolean;
}

/** The bytes from a file's beginning that {@link recognise} uses at most. A server's answer is shorter. */
export const BEGINNING = 65_536;

const GET_SAFETENSORS = "get the checkpoint's .safetensors file";
const DOWNLOAD_AGAIN = "download the file again, and check its size against what the site says";
const PICTURE_HINT: Wording = (name) =>
  `pictures are given as ${name("image")}, ${name("maskImage")} or ${name("controlImage")}; weights are .safetensors files`;

/** Whether a file begins like files of a format. `start` has one character for each of the first bytes. */
type Signature = (start: string) => boolean;

const begins =
  (...signatures: readonly string[]): Signature =>
  (start) =>
    signatures.some((signature) => start.startsWith(signature));
const has =
  (at: number, ...signatures: readonly string[]): Signature =>
  (start) =>
    signatures.some((signature) => start.startsWith(signature, at));

const UNPACK = "unpack it, and give the .safetensors file or the folder inside";
const PICKLE_HINT = "a pickle can run code when it is loaded; get the checkpoint's safetensors files";
/** ModelProto of onnx.proto: the format's version, then the producer's name. */
const ONNX = Array.from({ length: 30 }, (_, version) => `\x08${String.fromCharCode(version + 1)}\x12`);

/** Formats with characteristic first bytes. The first match counts. */
const SIGNATURES: readonly (readonly [signature: Signature, what: string, hint: Wording])[] = [
  [begins("\x89PNG\r\n"), "it is a PNG picture", PICTURE_HINT],
  [begins("\xff\xd8\xff"), "it is a JPEG picture", PICTURE_HINT],
  [has(8, "WEBP"), "it is a WebP picture", PICTURE_HINT],
  [begins("GIF87a", "GIF89a"), "it is a GIF picture", PICTURE_HINT],
  [begins("II*\0", "MM\0*"), "it is a TIFF picture", PICTURE_HINT],
  [has(4, "ftypavif", "ftypheic", "ftypmif1"), "it is an AVIF or HEIC picture", PICTURE_HINT],
  [has(4, "ftyp"), "it is a video", GET_SAFETENSORS],
  [begins("GGUF"), "it is a GGUF file of quantized weights", GET_SAFETENSORS],
  [begins(...ONNX), "it is an ONNX model", "Darkroom builds its graphs from the checkpoint's own weights; get its .safetensors file"],
  [has(4, "TFL3"), "it is a TensorFlow Lite model", GET_SAFETENSORS],
  [begins("\x89HDF\r\n"), "it is an HDF5 file, of Keras or TensorFlow", GET_SAFETENSORS],
  [begins("\x93NUMPY"), "it is a NumPy array", GET_SAFETENSORS],
  // torch.save writes a ZIP archive whose first file is the pickle; before 1.6 it wrote a pickle.
  [(start) => begins("PK\x03\x04")(start) && start.includes("data.pkl"), "it is a pickle under another name", PICKLE_HINT],
  [begins("\x80\x02", "\x80\x03", "\x80\x04", "\x80\x05"), "it is a pickle under another name", PICKLE_HINT],
  [begins("PK\x03\x04", "PK\x05\x06", "PK\x07\x08"), "it is a ZIP archive", UNPACK],
  [begins("7z\xbc\xaf", "Rar!", "\x1f\x8b", "\x28\xb5\x2f\xfd", "BZh", "\xfd7zXZ"), "it is a compressed archive", UNPACK],
  [begins("%PDF-"), "it is a PDF document", GET_SAFETENSORS],
  [begins("MZ", "\x7fELF"), "it is a program", GET_SAFETENSORS],
];

/**
 * Recognises a failed download or a file of another format by its first bytes; undefined if they do not show it. `what` quotes the message
 * of a server's answer.
 */
export function recognise(bytes: Uint8Array): ForeignFile | undefined {
  if (bytes.length === 0) return { what: "the file is empty", hint: "download it again" };
  const start = latin1(bytes.subarray(0, 256));
  if (bytes.length > 8 && bytes.subarray(0, 256).every((byte) => byte === 0)) {
    return { what: "it begins with zeros, like an unfinished download", hint: DOWNLOAD_AGAIN };
  }
  const [, what, hint] = SIGNATURES.find(([isLike]) => isLike(start)) ?? [];
  if (what !== undefined && hint !== undefined) return { what, hint, isCertain: hint !== PICKLE_HINT };
  return recogniseText(bytes);
}

/** Says what a file is that is not a readable picture. `reason` is the decoder's message. */
export function recogniseNoPicture(bytes: Uint8Array, reason: string): ForeignFile {
  const { what, hint } = recognise(bytes) ?? {};
  if (hint === PICTURE_HINT) return { what: `${what}, but ${reason}`, hint: "if it is damaged or cut short, copy or download it again" };
  const textHint = recogniseText(bytes)?.hint;
  return {
    what: what ?? (latin1(bytes.subarray(8, 10)) === '{"' ? "it is a safetensors file" : reason),
    hint: textHint === undefined || textHint === GET_SAFETENSORS ? "PNG, JPEG, WebP, GIF, TIFF and AVIF can be read" : textHint,
  };
}

/** Recognises a text file: a server's answer, a web page, a Git LFS pointer, ... Undefined if the bytes are not text. */
export function recogniseText(bytes: Uint8Array): ForeignFile | undefined {
  const text = textOf(bytes);
  if (text === undefined) return undefined;
  const markup = markupOf(text);
  if (markup) return { ...markup, isCertain: true };
  return { what: describeText(text), hint: "download the file itself; this is something else" };
}

/** The message of a server's error answer, such as `{"error": "Unauthorized", "message": "..."}`. Undefined for any other JSON. */
export function serverMessage(json: JsonObject): string | undefined {
  if (!Object.keys(json).every((key) => ANSWER_KEYS.has(key.toLowerCase().replaceAll("_", "")))) return undefined;
  const said = ["message", "error_description", "detail", "details", "error", "errors", "title"].flatMap((key) => messageIn(json[key]));
  return said[0];
}

/** Fields of servers' error answers. No config or index has only these. */
const ANSWER_KEYS = new Set(
  "error errors message detail details title type status statuscode statustext code success ok reason errordescription errorcode path timestamp requestid traceid url documentationurl instance".split(
    " ",
  ),
);

function messageIn(json: Json | undefined): string[] {
  if (typeof json === "string") return json.trim() === "" ? [] : [json.trim()];
  if (Array.isArray(json)) return json.flatMap(messageIn).slice(0, 1);
  return isObject(json) ? ["message", "msg", "detail", "error"].flatMap((key) => messageIn(json[key])).slice(0, 1) : [];
}

function markupOf(text: string): ForeignFile | undefined {
  if (text.startsWith("version https://git-lfs")) {
    return { what: "it is a Git LFS pointer, not the file itself", hint: "fetch the real files with: git lfs pull" };
  }
  if (/^<\?xml|^<Error>/.test(text) && /<Code>/.test(text))
    return answer("XML", /<Message>([^<]+)/.exec(text)?.[1] ?? /<Code>([^<]+)/.exec(text)?.[1]);
  if (/^<(!doctype|html|\?xml|head|body|!--)/i.test(text)) {
    const title = /<title[^>]*>([^<]+)/i.exec(text.slice(0, 4096))?.[1]?.trim();
    return {
      what: `it is a web page${title ? ` (${quote(title)})` : ""}, saved in place of the file`,
      hint: "download the file itself (on the hub: the resolve link, not blob)",
    };
  }
  if (/^[{[]/.test(text)) return recogniseJson(text);
  return undefined;
}

function describeText(text: string): string {
  const [first = ""] = text.split(/\r?\n/, 1);
  return /^(---\s*$|# )/.test(first) ? "it is a README, a text file" : `it is a text file, which begins ${quote(first)}`;
}

function recogniseJson(text: string): ForeignFile {
  let json: Json;
  try {
    json = parseJson(text, { depth: 64, pythonLiterals: true });
  } catch {
    return { what: "it is JSON, or text that begins like it", hint: GET_SAFETENSORS };
  }
  const message = isObject(json) ? serverMessage(json) : undefined;
  if (message !== undefined) return answer("JSON", message);
  if (isObject(json) && isObject(json.weight_map)) {
    return { what: "it is JSON, the index of weights in several files", hint: "give the folder that it is in" };
  }
  const className = isObject(json) ? (json._class_name ?? [json.architectures].flat()[0]) : undefined;
  return typeof className !== "string"
    ? { what: "it is JSON", hint: GET_SAFETENSORS }
    : { what: `it is JSON, the config of a ${printable(className)}`, hint: "give the folder that it is in" };
}

function answer(format: string, message: string | undefined): ForeignFile {
  return {
    what: `it is ${format}, a server's answer in place of the file${message ? `: ${quote(message)}` : ""}`,
    hint: "log in where the file is offered, or accept its licence, and download it again",
  };
}

/** The bytes as text; undefined if they are not text. The last character may be cut. */
function textOf(bytes: Uint8Array): string | undefined {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(0, BEGINNING), { stream: true }).trimStart();
    // Text has no control characters except white space.
    return text === "" || /[^\P{Cc}\s]/u.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
}

function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}
