import type { Folder } from "../checkpoint/folder.js";
import type { SafetensorsHeader } from "../checkpoint/safetensors.js";
import { FAMILY_BY_CONTEXT, FAMILY_NAMES } from "../checkpoint/single-file/family.js";
import { foreignKind } from "../checkpoint/single-file/foreign-kinds.js";
import { NETWORKS } from "../checkpoint/single-file/open-single-file.js";
import type { FilePart, PartName } from "../checkpoint/single-file/parts.js";
import { describeUNet, pipelineClass } from "../checkpoint/single-file/pipeline-configs.js";
import { findNetworks, type SingleFile } from "../checkpoint/single-file/read-single-file.js";
import { describeTextualInversion, MOST_VECTORS, type TextualInversionDescription } from "../checkpoint/textual-inversion.js";
import { baseFamily } from "../lora/base-family.js";
import { type LoraDescription, loraMethods } from "../lora/describe.js";

/** What a safetensors file is, and what its header shows. */
export type RecognisedFile =
  | { readonly kind: "checkpoint"; readonly className: string; readonly family: string; readonly file: SingleFile }
  | { readonly kind: "network"; readonly className: string; readonly family: string | undefined; readonly part: FilePart }
  | ({ readonly kind: "lora" } & Pick<LoraDescription, "methods" | "family">)
  | ({ readonly kind: "textual-inversion"; readonly family: string | undefined } & TextualInversionDescription)
  | { readonly kind: "foreign"; readonly family: string }
  | { readonly kind: "unknown" };

/** Says what a safetensors file is, by its header. */
export async function recogniseFile(header: SafetensorsHeader, folder: Folder, path: string): Promise<RecognisedFile> {
  // LoRAs first: most files are LoRAs.
  const methods = loraMethods(header);
  if (methods) return { kind: "lora", methods, family: baseFamily(header) };
  const file = await findNetworks(header, folder, path);
  if (file?.parts.has("unet")) {
    const className = pipelineClass(file.kind);
    if (className === undefined) return { kind: "foreign", family: describeUNet(file.kind) };
    return { kind: "checkpoint", className, family: FAMILY_NAMES[file.kind.family], file };
  }
  if (file) {
    // If there are several, the first.
    const [name, part] = [...file.parts][0] as [PartName, FilePart];
    const { family } = file.kind;
    // An autoencoder's shapes are the same in all families.
    const isTold = name !== "vae" || family === "xl";
    return { kind: "network", className: NETWORKS[name].className, family: isTold ? FAMILY_NAMES[family] : undefined, part };
  }
  const embedding = describeTextualInversion(header);
  if (embedding && !isSomeWeight(embedding)) return { kind: "textual-inversion", ...embedding, family: embeddingFamily(embedding) };
  const family = foreignKind(header.tensors.keys());
  return family === undefined ? { kind: "unknown" } : { kind: "foreign", family };
}

/** Whether a matrix that is alone in its file is a layer's weight, by its name or size, and not an embedding whose token is its name. */
function isSomeWeight({ token = "", vectors }: TextualInversionDescription): boolean {
  return /(^|\.)(weight|bias)$/.test(token) || vectors > MOST_VECTORS;
}

function embeddingFamily({ layout, widths }: TextualInversionDescription): string | undefined {
  if (layout === "xl") return FAMILY_NAMES.xl;
  const family = FAMILY_BY_CONTEXT.get(widths[0] ?? 0);
  return family === "sd1" || family === "sd2" ? FAMILY_NAMES[family] : undefined;
}
