import type { LatentFamily } from "../../families/family.js";
import {
  DEFAULT_FAMILY,
  familyByArchitecture,
  familyByContextWidth,
  familyBySizeNumbers,
  familyByTextEncoders,
  isContextTensor,
} from "../../families/lookups.js";
import { SIZE_WIDTH, STABLE_DIFFUSION_XL } from "../../families/stable-diffusion-xl.js";
import type { Weights } from "../weights.js";
import { isAdapterOfXL } from "./adapter-config.js";
import type { FilePart, PartName } from "./parts.js";

/** A family, and what shows it, as text for users. */
export interface FoundFamily {
  readonly family: LatentFamily;
  readonly source: string;
  /** Whether nothing shows it. */
  readonly isAssumed: boolean;
}

/**
 * Finds the family of a file's networks: by the widths of its UNet or ControlNet, otherwise by its text encoders, otherwise by the
 * metadata. If nothing shows it, the family is the one that diffusers assumes.
 */
export function familyOf(parts: ReadonlyMap<PartName, FilePart>, architecture = ""): FoundFamily {
  const adapter = parts.get("adapter")?.weights;
  if (adapter && isAdapterOfXL(adapter))
    return { family: STABLE_DIFFUSION_XL, source: "its T2I-Adapter's squares of pixels", isAssumed: false };
  const name = parts.has("unet") ? "UNet" : "ControlNet";
  const network = (parts.get("unet") ?? parts.get("controlnet") ?? parts.get("controlnet_union"))?.weights;
  const context = network && contextWidth(network);
  const found = (family: LatentFamily, source: string): FoundFamily => ({ family, source, isAssumed: false });
  const byContext = familyByContextWidth(context);
  if (byContext) return found(byContext, `its ${name}'s text features, ${context} wide`);
  const encoders = textEncodersOf(parts);
  const byEncoders = encoders.length > 0 ? familyByTextEncoders(encoders) : undefined;
  const labels = network?.has("add_embedding.linear_1.weight") ? network.shapeOf("add_embedding.linear_1.weight")[1] : undefined;
  if (labels !== undefined) {
    const second = parts.get("text_encoder_2")?.weights;
    const pooled = second?.has("text_projection.weight") ? second.shapeOf("text_projection.weight")[0] : undefined;
    const ofSize = byEncoders?.denoiser.sizeNumbers;
    const numbers = pooled === undefined ? (ofSize ?? Number.POSITIVE_INFINITY) : (labels - pooled) / SIZE_WIDTH;
    const bySize = familyBySizeNumbers(numbers);
    if (bySize) return found(bySize, `its ${name}'s size embedding`);
  }
  // The default family's text encoder is in files of other families, too. The author may have stated which one it is.
  if (byEncoders && byEncoders !== DEFAULT_FAMILY) return found(byEncoders, encoders.length > 1 ? "its text encoders" : "its text encoder");
  const stated = familyByArchitecture(architecture);
  if (stated) return found(stated, "modelspec.architecture in the file");
  if (byEncoders) return found(byEncoders, "its text encoder");
  return { family: DEFAULT_FAMILY, source: `nothing; ${DEFAULT_FAMILY.name} is assumed`, isAssumed: true };
}

/** The text encoders of a file, in the order of their folder names. */
function textEncodersOf(parts: ReadonlyMap<PartName, FilePart>) {
  return (["text_encoder", "text_encoder_2"] as const).flatMap((part) => {
    const maker = parts.get(part)?.maker;
    return maker === undefined ? [] : [{ part, maker }];
  });
}

/** The width of the text features that a network reads; undefined if it reads none. */
export function contextWidth(weights: Weights): number | undefined {
  const name = weights.names().find(isContextTensor);
  return name === undefined ? undefined : weights.shapeOf(name)[1];
}
