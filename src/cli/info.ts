import { readFile, stat } from "node:fs/promises";
import type { Command } from "commander";
import { ArgumentError } from "../errors.js";
import type { PictureSettings } from "../image/settings/read-picture-settings.js";
import { withoutControls } from "../printable.js";

/** Most bytes of a picture's file. */
const LARGEST_FILE = 2 ** 29;

interface InfoOptions {
  readonly json?: true;
}

/** `darkroom info` prints the settings that a picture was made with. */
export function addInfo(program: Command): void {
  program
    .command("info")
    .description("print the settings that a picture was made with")
    .argument("<file>", "PNG, JPEG or WebP of Darkroom, AUTOMATIC1111, ComfyUI, InvokeAI, NovelAI, ...")
    .option("--json", "print one line of JSON")
    .option("--verbose", "show the stack of an error")
    .action(async (file: string, { json }: InfoOptions) => {
      const settings = await readSettings(file);
      const text = json ? formatJson(file, settings) : await formatText(settings);
      process.stdout.write(`${process.stdout.isTTY ? withoutControls(text) : text}\n`);
    });
}

function formatJson(path: string, { width, height, software, prompt, negativePrompt, settings }: PictureSettings): string {
  return JSON.stringify({ path, width, height, software, prompt, negativePrompt, settings });
}

/** The settings in AUTOMATIC1111's layout: the file's own text, if it has that layout. */
async function formatText({ parameters, software = "", prompt, negativePrompt, settings }: PictureSettings): Promise<string> {
  if (parameters !== undefined) return parameters;
  const { formatParameters } = await import("../image/parameters.js");
  return formatParameters({ prompt, negativePrompt, settings: { ...settings, Software: software } });
}

async function readSettings(file: string): Promise<PictureSettings> {
  const { readPictureSettings } = await import("../image/settings/read-picture-settings.js");
  const settings = await readPictureSettings(await readBytes(file)).catch((cause: unknown) => {
    if (!(cause instanceof ArgumentError)) throw cause;
    throw new ArgumentError(`${file}: ${cause.message}`, { hint: cause.hint ?? "settings are read from whole files", cause });
  });
  const { software, prompt, keywords, parameters } = settings;
  const found = keywords.length > 0 ? `texts it has: ${keywords.map((keyword) => JSON.stringify(keyword)).join(", ")}` : undefined;
  if (software === undefined) {
    throw new ArgumentError(`${file} holds no settings that can be read`, {
      hint: found ?? "many programs drop the settings when they save a picture again",
    });
  }
  if (parameters === undefined && prompt === "" && Object.keys(settings.settings).length === 0) {
    throw new ArgumentError(`${file} holds settings of ${software}, but no prompt, seed or sampler could be found in them`, {
      hint: `open it in ${software}; ${found}`,
    });
  }
  return settings;
}

async function readBytes(file: string): Promise<Uint8Array> {
  const unreadable = (reason: string, cause?: unknown) => new ArgumentError(`cannot read ${file}: ${reason}`, { cause });
  const failed = (cause: NodeJS.ErrnoException): never => {
    throw unreadable(cause.code === "ENOENT" ? "it does not exist" : cause.message, cause);
  };
  const found = await stat(file).catch(failed);
  // Reading a pipe or a device may never end.
  if (!found.isFile()) throw unreadable(found.isDirectory() ? "it is a folder" : "it is a device or pipe");
  if (found.size > LARGEST_FILE) throw unreadable(`it has ${found.size} bytes; at most ${LARGEST_FILE} are read`);
  return readFile(file).catch(failed);
}
