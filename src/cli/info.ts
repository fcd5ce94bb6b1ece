import { readFile, stat } from "node:fs/promises";
import type { Command } from "commander";
import { ArgumentError } from "../errors.js";
import { withoutControls } from "../printable.js";

/** Bytes of a file above which it is no picture that anybody looks at. */
const LARGEST_FILE = 2 ** 29;

interface InfoOptions {
  readonly json?: true;
}

/** `darkroom info`: the settings a picture was made with. */
export function addInfo(program: Command): void {
  program
    .command("info")
    .description("print the settings a PNG was made with")
    .argument("<file>", "a PNG of Darkroom's, AUTOMATIC1111's or any program that writes the same settings")
    .option("--json", "print one line of JSON")
    .option("--verbose", "show the stack of an error")
    .action(async (file: string, { json }: InfoOptions) => {
      const { text, width, height } = await readInfo(file);
      if (!json) {
        process.stdout.write(`${process.stdout.isTTY ? withoutControls(text) : text}\n`);
        return;
      }
      const { parseParameters } = await import("../image/parameters.js");
      process.stdout.write(`${JSON.stringify({ path: file, width, height, ...parseParameters(text) })}\n`);
    });
}

async function readInfo(file: string): Promise<{ text: string; width: number; height: number }> {
  const [{ readPngSize, readPngText }, { PARAMETERS_KEYWORD }] = await Promise.all([
    import("../image/png.js"),
    import("../image/parameters.js"),
  ]);
  const unreadable = (reason: string, cause?: unknown) => new ArgumentError(`cannot read ${file}: ${reason}`, { cause });
  const failed = (cause: NodeJS.ErrnoException): never => {
    throw unreadable(cause.code === "ENOENT" ? "it does not exist" : cause.message, cause);
  };
  const found = await stat(file).catch(failed);
  // A pipe may never begin, a device never end.
  if (!found.isFile()) throw unreadable(found.isDirectory() ? "it is a folder" : "it is a device or pipe");
  if (found.size > LARGEST_FILE) throw unreadable(`it has ${found.size} bytes; at most ${LARGEST_FILE} are read`);
  const bytes = await readFile(file).catch(failed);
  const texts = await readPngText(bytes).catch((cause: Error) => {
    throw new ArgumentError(`${file}: ${cause.message}`, { hint: "settings are read from whole PNG files", cause });
  });
  const text = texts[PARAMETERS_KEYWORD];
  if (text === undefined) {
    const others = Object.keys(texts).map((keyword) => JSON.stringify(keyword));
    throw new ArgumentError(`${file} holds no settings: it has no text chunk "${PARAMETERS_KEYWORD}"`, {
      hint: others.length > 0 ? `texts it has: ${others.join(", ")}` : "many programs drop such texts when they save a picture again",
    });
  }
  return { text, ...readPngSize(bytes) };
}
