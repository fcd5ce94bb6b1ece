import { ConfigError } from "../errors.js";
import type { Folder } from "../platform/folder.js";
import type { JsonObject } from "./json.js";
import type { HeaderTensor, SafetensorsHeader } from "./safetensors.js";
import { levelsOf } from "./single-file/count-levels.js";
import { VirtualFolder } from "./single-file/virtual-folder.js";
import { collectWeights } from "./weights.js";

// Files of upscalers are recognised by spandrel's rules. Their configs are in the shapes of their tensors.

/** What the header of an upscaler's file shows. */
export interface UpscalerDescription {
  /** "ESRGAN" (RRDBNet; Real-ESRGAN and BSRGAN, too) or "RealESRGAN Compact" (SRVGGNetCompact): spandrel's names. */
  readonly architecture: "ESRGAN" | "RealESRGAN Compact";
  /** How many times as wide and as high its pictures are. */
  readonly scale: number;
}

/** The tensors of an upscaler by the names of Real-ESRGAN's code. */
type Tensors = ReadonlyMap<string, HeaderTensor>;

/** What training programs put before the names. The averaged weights come first. */
const PREFIXES = ["", "params_ema.", "params.", "module."];

/** ESRGAN's old names, those of BSRGAN, and today's. The layers after the blocks have numbers, see {@link endNames}. */
const RENAMES: readonly (readonly [RegExp, string])[] = [
  [/^model\.0\./, "conv_first."],
  [/^model\.1\.sub\.(\d+)\.RDB(\d)\.conv(\d|1x1)\.(?:0\.)?(weight|bias)$/, "body.$1.rdb$2.conv$3.$4"],
  [/^model\.1\.sub\.\d+\.(weight|bias)$/, "conv_body.$1"],
  [/^RRDB_trunk\.(\d+)\.RDB(\d)\.conv(\d|1x1)\.(weight|bias)$/, "body.$1.rdb$2.conv$3.$4"],
  [/^trunk_conv\./, "conv_body."],
  [/^upconv(\d)\./, "conv_up$1."],
  [/^HRconv\./, "conv_hr."],
];

/** What the file is, if it is an upscaler that Darkroom knows. */
export function describeUpscaler(header: SafetensorsHeader): UpscalerDescription | undefined {
  const found = findUpscaler(header);
  return found && { architecture: found.architecture, scale: found.scale };
}

/**
 * A folder with the config that the file's shapes show, and its weights by the names of Real-ESRGAN's code.
 * @throws ConfigError if the file is no upscaler, or not one from three channels to three.
 */
export function openUpscalerFile(header: SafetensorsHeader, folder: Folder, path: string): Folder {
  const { name } = header;
  const found = findUpscaler(header);
  if (!found) {
    throw new ConfigError(`${name} is no upscaler that Darkroom knows`, {
      hint: "the architectures ESRGAN (Real-ESRGAN and BSRGAN, too) and RealESRGAN Compact run",
    });
  }
  const { architecture, scale, config, tensors, inChannels, outChannels } = found;
  if (inChannels !== 3 || outChannels !== 3) {
    throw new ConfigError(`${name} is an upscaler (${architecture}) from ${inChannels} channels to ${outChannels}; those from 3 to 3 run`, {
      hint: "take an upscaler of colour pictures without transparency",
    });
  }
  if (!Number.isInteger(scale)) {
    throw new ConfigError(`${name} is an upscaler (${architecture}) whose scale is ${scale}; it must be a whole number`, {
      hint: "take an upscaler with a scale of 1, 2, 4 or 8",
    });
  }
  const located = [...tensors].map(([own, stored]) => ({ path, stored, name: own }));
  const nameInFile = (own: string) => tensors.get(own)?.name ?? own;
  return new VirtualFolder(name, {
    files: { "config.json": () => config },
    weights: collectWeights(name, folder, located, nameInFile),
  });
}

interface FoundUpscaler extends UpscalerDescription {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly config: JsonObject;
  readonly tensors: Tensors;
}

function findUpscaler({ tensors }: SafetensorsHeader): FoundUpscaler | undefined {
  for (const prefix of PREFIXES) {
    const own = new Map([...tensors].flatMap(([name, stored]) => (name.startsWith(prefix) ? [[name.slice(prefix.length), stored]] : [])));
    const found = findESRGAN(own) ?? findCompact(own);
    if (found) return found;
  }
  return undefined;
}

function findESRGAN(original: Tensors): FoundUpscaler | undefined {
  const rdb = "body.0.rdb1.conv1";
  const isOld = original.has("model.0.weight");
  const ends = isOld ? endNames([...original.keys()]) : new Map<string, string>();
  const tensors = new Map<string, HeaderTensor>();
  for (const [name, stored] of original) {
    const [, layer = "", rest = ""] = /^(model\.\d+)\.(weight|bias)$/.exec(name) ?? [];
    const end = ends.get(layer);
    tensors.set(
      end === undefined ? RENAMES.reduce((current, [old, today]) => current.replace(old, today), name) : `${end}.${rest}`,
      stored,
    );
  }
  const shape = (name: string) => tensors.get(`${name}.weight`)?.shape ?? [];
  const [features = 0, netChannels = 0] = shape("conv_first");
  const [outChannels = 0] = shape("conv_last");
  if (shape("conv_first").length !== 4 || shape(rdb).length !== 4 || shape("conv_last").length !== 4 || !tensors.has("conv_body.weight"))
    return undefined;
  const names = [...tensors.keys()];
  // Pixels of Real-ESRGAN's smaller scales go in as channels.
  const unshuffle = netChannels === outChannels * 4 ? 2 : netChannels === outChannels * 16 ? 4 : 1;
  const upsamplings = levelsOf(names, /^conv_up(\d)\.weight$/);
  // The numbers of these layers begin with 1.
  const doublings = Math.max(0, upsamplings - 1);
  return {
    architecture: "ESRGAN",
    scale: 2 ** doublings / unshuffle,
    inChannels: netChannels / unshuffle ** 2,
    outChannels,
    tensors,
    config: {
      _class_name: "Upscaler",
      architecture: "ESRGAN",
      features,
      growth: shape(rdb)[0] ?? 0,
      blocks: levelsOf(names, /^body\.(\d{1,3})\./),
      doublings,
      unshuffle,
    },
  };
}

/** Today's names of the layers that come after the blocks in ESRGAN's old layout: doublings, then two convolutions. */
function endNames(names: readonly string[]): ReadonlyMap<string, string> {
  const last = levelsOf(names, /^model\.(\d{1,3})\.weight$/) - 1;
  const ends = new Map([
    [`model.${last}`, "conv_last"],
    [`model.${last - 2}`, "conv_hr"],
  ]);
  for (let i = 1; 3 * i < last - 2; i++) ends.set(`model.${3 * i}`, `conv_up${i}`);
  return ends;
}

function findCompact(tensors: Tensors): FoundUpscaler | undefined {
  const shape = (index: number) => tensors.get(`body.${index}.weight`)?.shape ?? [];
  const [features = 0, inChannels = 0] = shape(0);
  // A convolution, and a PReLU with a slope for each channel.
  if (shape(0).length !== 4 || shape(1).length !== 1) return undefined;
  const last = levelsOf([...tensors.keys()], /^body\.(\d{1,4})\.weight$/) - 1;
  const [outputs = 0] = shape(last);
  // As in spandrel, the channels are those of the input, or else 3, 4 or 1.
  const outChannels = [inChannels, 3, 4, 1].find((channels) => Number.isInteger(Math.sqrt(outputs / channels))) ?? 0;
  if (last < 2 || last % 2 !== 0 || outChannels === 0) return undefined;
  const scale = Math.sqrt(outputs / outChannels);
  return {
    architecture: "RealESRGAN Compact",
    scale,
    inChannels,
    outChannels,
    tensors,
    config: { _class_name: "Upscaler", architecture: "RealESRGAN Compact", features, blocks: last / 2, scale },
  };
}
