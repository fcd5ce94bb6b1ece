import { closeSync, existsSync, mkdirSync, openSync, rmSync, statSync } from "node:fs";
import { basename, dirname, extname, join } from "node:path";
import { ArgumentError, OutputError } from "../errors.js";
import type { EncodeOptions, Picture } from "../image/picture.js";
import { formatOfName, PICTURE_ENDINGS, type PictureFormat } from "../image/picture-format.js";
import { explainWrite } from "../platform/node/write-file.js";
import { warn } from "../warnings.js";

/** What the names of the files depend on. */
export interface OutputRequest {
  /** `--out`: a file's name or a folder; the working directory without it. */
  readonly out?: string;
  readonly prompt: string;
  /** One picture per seed. */
  readonly seeds: readonly bigint[];
  readonly grid: boolean;
  readonly force: boolean;
  /** `--jpeg` or `--webp`; without them, the ending of `out` decides, and generated names are PNG's. */
  readonly format?: PictureFormat;
  /** `--quality`, for JPEG and WebP. */
  readonly quality?: number;
}

/** The path of each picture. */
export interface OutputPlan {
  readonly images: readonly string[];
  readonly grid: string | undefined;
}

/**
 * Chooses the names, and makes sure that the files can be written before the pictures are made.
 * @throws ArgumentError for a name whose ending is not a picture's, or differs from the requested format; for a quality with PNG.
 * @throws OutputError for a file that exists (without `force`) or a folder that cannot be written.
 */
export function planOutputs(request: OutputRequest): OutputPlan {
  const { out, force } = request;
  if (out === "") throw new ArgumentError(`--out is empty; expected a file name ending in ${PICTURE_ENDINGS}, or a folder`);
  const plan = out === undefined || isFolder(out) ? namesFromPrompt(request, out ?? "") : namesFromFile(request, out);
  if (request.quality !== undefined && formatOfName(plan.images[0] ?? "") === "png") {
    throw new ArgumentError("--quality is for JPEG and WebP; this picture is saved as PNG, which is lossless", {
      hint: out === undefined || isFolder(out) ? "add --jpeg or --webp" : "give --out a name that ends in .jpg or .webp",
    });
  }
  const paths = [...plan.images, ...(plan.grid === undefined ? [] : [plan.grid])];
  for (const path of paths) {
    if (!force && existsSync(path)) {
      throw new OutputError(`${path} exists and was not overwritten`, { hint: "choose another --out, or overwrite it with --force" });
    }
  }
  // All files are in one folder. The last has the longest name.
  probe(paths.at(-1) ?? "");
  return plan;
}

/** Saves as `path`. If another program has taken that name meanwhile, it saves under a free name in the same folder. Returns the path. */
export async function savePicture(picture: Picture, path: string, encoding: EncodeOptions, force: boolean): Promise<string> {
  try {
    mkdirSync(dirname(path), { recursive: true });
  } catch (error) {
    throw explainWrite(path, error);
  }
  try {
    await picture.save(path, { ...encoding, overwrite: force });
    return path;
  } catch (error) {
    if (!(error instanceof OutputError && error.cause instanceof Error && "code" in error.cause && error.cause.code === "EEXIST"))
      throw error;
  }
  const other = freeName(path);
  warn(`${path} appeared while the picture was made; saving as ${other}`);
  return savePicture(picture, other, encoding, false);
}

/** The prompt as a file's name: its letters and digits, of any script, with `-` between words. */
export function slugOf(prompt: string): string {
  const words = prompt.toLowerCase().match(/[\p{L}\p{N}\p{M}]+/gu) ?? [];
  // 40 characters of up to 4 bytes fit well into the 255 bytes of a name.
  return [...words.join("-")].slice(0, 40).join("").replace(/-$/, "") || "picture";
}

function namesFromPrompt({ prompt, seeds, grid, force, format = "png" }: OutputRequest, folder: string): OutputPlan {
  const slug = slugOf(prompt);
  const name = (suffix: string) => {
    const path = join(folder, `${slug}-${suffix}.${OWN_ENDINGS[format]}`);
    return force ? path : freeName(path);
  };
  return { images: seeds.map((seed) => name(String(seed))), grid: grid ? name(`${seeds[0]}-grid`) : undefined };
}

/** The ending of generated names. */
const OWN_ENDINGS = { png: "png", jpeg: "jpg", webp: "webp" } as const;

function namesFromFile({ seeds, grid, format }: OutputRequest, out: string): OutputPlan {
  const named = formatOfName(out);
  if (!named) {
    throw new ArgumentError(`--out is ${JSON.stringify(out)}; expected a file name ending in ${PICTURE_ENDINGS}, or a folder`, {
      hint: `a folder that does not exist yet ends with /: --out ${out}/`,
    });
  }
  if (format && format !== named) {
    throw new ArgumentError(`--out is ${JSON.stringify(out)} and --${format} was given, which is another format`, {
      hint: "the ending of --out decides the format; leave out one of the two",
    });
  }
  const name = (suffix: string) => join(dirname(out), `${basename(out, extname(out))}-${suffix}${extname(out)}`);
  return {
    images: seeds.length === 1 ? [out] : seeds.map((_, i) => name(String(i + 1))),
    grid: grid ? name("grid") : undefined,
  };
}

function isFolder(path: string): boolean {
  return /[/\\]$/.test(path) || (existsSync(path) && statSync(path).isDirectory());
}

function freeName(path: string): string {
  const extension = extname(path);
  let free = path;
  for (let n = 2; existsSync(free); n++) free = `${path.slice(0, -extension.length)}-${n}${extension}`;
  return free;
}

/**
 * Writes and removes a file in the folder of `path`, or in its nearest parent that exists. Permissions alone are not enough: a disk may be
 * read-only or full.
 */
export function probe(path: string): void {
  let folder = dirname(path);
  while (!existsSync(folder) && dirname(folder) !== folder) folder = dirname(folder);
  // The name is as long as the picture's: a name that is too long is an error now, not later.
  const file = join(folder, `.darkroom-${crypto.randomUUID()}`.padEnd(Buffer.byteLength(basename(path)), "-"));
  try {
    closeSync(openSync(file, "wx"));
    rmSync(file);
  } catch (error) {
    throw explainWrite(path, error);
  }
}
