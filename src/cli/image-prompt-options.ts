import { readFileSync } from "node:fs";
import * as v from "valibot";
import { ArgumentError } from "../errors.js";
import {
  IMAGE_PROMPT_FIELDS,
  type ImagePromptRequest,
  type ImagePromptScale,
  type ImagePromptScales,
  multiplied,
} from "../generate/image-prompt-request.js";
import type { IPAdapterRequest } from "../generate/open-request.js";
import { isPlain } from "../given.js";
import { counted } from "../wording.js";
import { splitSource } from "./adapter-options.js";
import { toNumber, wrongValue } from "./values.js";

/** The options for IP-Adapters. */
export interface ImagePromptOptions {
  readonly ipAdapter?: readonly string[];
  readonly ipEncoder?: string;
  readonly ipImage?: readonly ImagePromptOption[];
  readonly ipMask?: readonly (string | null)[];
  readonly ipBlocks?: readonly ImagePromptScale[];
}

/** A picture for an IP-Adapter on the command line. */
interface ImagePromptOption {
  readonly source: string;
  readonly scale: number;
}

/** Reads `PICTURE` or `PICTURE:SCALE`, the value of `--ip-image`. @throws ArgumentError */
export function imagePromptOption(text: string): ImagePromptOption {
  const [source, rest] = splitSource(text);
  const scale = rest === undefined ? 1 : toNumber(rest);
  if (Number.isFinite(scale) && source !== "") return { source, scale };
  throw wrongValue("--ip-image", text, "a file or a web address, followed by :SCALE if that is not 1", "example: --ip-image style.png:0.6");
}

/** Reads a file's name or `none`, the value of `--ip-mask`. */
export function imagePromptMaskOption(text: string): string | null {
  return text === "none" ? null : text;
}

/** Reads names of parts, JSON or the name of a JSON file, the value of `--ip-blocks`. @throws ArgumentError */
export function imagePromptBlocksOption(text: string): ImagePromptScale {
  const parts = text.split(",");
  if (parts.every((part) => part === "style" || part === "layout")) return Object.fromEntries(parts.map((part) => [part, 1]));
  const scale = parsed(text.trimStart().startsWith("{") ? text : contentOf(text));
  if (isPlain(scale) && v.is(IMAGE_PROMPT_FIELDS.ipAdapterScale, scale)) return scale as ImagePromptScale;
  throw wrongBlocks(text);
}

function contentOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    throw wrongBlocks(path);
  }
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

function wrongBlocks(text: string): ArgumentError {
  const expected = "style, layout or style,layout (XL), or scales of the UNet's blocks in JSON or in a JSON file";
  return wrongValue("--ip-blocks", text, expected, `example: --ip-blocks '{"up": {"block_0": [0, 1, 0]}}'`);
}

/** IP-Adapters and their pictures. A single adapter takes all pictures. @throws ArgumentError for what it cannot take */
export function imagePromptsOf({ ipAdapter, ipEncoder, ...options }: ImagePromptOptions): ImagePromptRequest & {
  readonly ipAdapters: readonly IPAdapterRequest[] | undefined;
} {
  if (ipEncoder !== undefined && !ipAdapter) {
    throw new ArgumentError("--ip-encoder needs --ip-adapter: it encodes the pictures of IP-Adapters", { hint: "add --ip-adapter" });
  }
  const { ipImage, ipMask, ipBlocks } = options;
  const [images, masks] = [ipImage?.length ?? 0, ipMask?.length ?? 0];
  if (masks > 0 && masks !== images) {
    throw new ArgumentError(
      `--ip-mask was given ${counted(masks, "time")} and --ip-image ${counted(images, "time")}; expected a mask for each picture`,
      {
        argument: "ipAdapterMasks",
        hint: "pairs go in order; --ip-mask none lets its picture act everywhere",
      },
    );
  }
  const sources = ipImage?.map(({ source }) => source);
  return {
    ipAdapters: ipAdapter?.map((source) => ({ source, imageEncoder: ipEncoder })),
    ...picturesByAdapter(ipAdapter, sources, ipMask),
    ipAdapterScale: scalesOf(
      ipAdapter?.length === 1,
      ipImage?.map(({ scale }) => scale),
      { ipMask, ipBlocks },
    ),
  };
}

/** Pictures and masks with an entry for each adapter. */
export function picturesByAdapter<Picture extends NonNullable<unknown>>(
  adapters: readonly string[] | undefined,
  pictures: readonly Picture[] | undefined,
  masks: readonly (Picture | null)[] | undefined,
) {
  if (adapters?.length !== 1 || !pictures) return { ipAdapterImage: pictures, ipAdapterMasks: masks };
  const given = masks?.filter((mask) => mask !== null) ?? [];
  if (given.length > 0 && given.length < pictures.length) {
    throw new ArgumentError("--ip-mask is none for some pictures of one IP-Adapter; expected a file for each, or for none", {
      argument: "ipAdapterMasks",
      hint: "a white mask lets its picture act everywhere",
    });
  }
  return { ipAdapterImage: [pictures], ipAdapterMasks: given.length > 0 ? [given] : undefined };
}

/** The scale of each adapter. Only masks let the pictures of one adapter have scales of their own. */
function scalesOf(
  isOne: boolean,
  scales: readonly number[] | undefined,
  { ipMask, ipBlocks }: Pick<ImagePromptOptions, "ipMask" | "ipBlocks">,
): ImagePromptRequest["ipAdapterScale"] {
  if (!scales) return ipBlocks;
  const isSame = new Set(scales).size === 1;
  if (isOne && !isSame && (!ipMask?.some((mask) => mask !== null) || ipBlocks)) {
    throw new ArgumentError(
      `--ip-image has several scales: ${scales.join(", ")}; pictures of one IP-Adapter act equally, unless each has its --ip-mask and there is no --ip-blocks`,
      { argument: "ipAdapterImage", hint: "give them one scale" },
    );
  }
  const each: readonly ImagePromptScales[] = isOne ? [isSame ? (scales[0] ?? 1) : scales] : scales;
  if (!ipBlocks) return each;
  if (ipBlocks.length === 1) return each.map((scale) => multiplied(ipBlocks[0] as ImagePromptScale, scale as number));
  if (ipBlocks.length !== each.length) {
    throw new ArgumentError(
      `--ip-blocks was given ${counted(ipBlocks.length, "time")} for ${counted(each.length, "IP-Adapter")}; expected one for all, or one for each`,
      {
        argument: "ipAdapterScale",
      },
    );
  }
  return ipBlocks.map((blocks, i) => multiplied(blocks, each[i] as number));
}
