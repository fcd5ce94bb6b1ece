import { type IPAdapterKind, ipAdapterKind } from "../checkpoint/ip-adapter-kind.js";
import type { SafetensorsHeader } from "../checkpoint/safetensors.js";
import { type NeededPart, transformerOrigin } from "../checkpoint/single-file/needed-parts.js";
import { classNameOf } from "../checkpoint/single-file/open-single-file.js";
import type { FilePart, PartName } from "../checkpoint/single-file/parts.js";
import { pipelineClass } from "../checkpoint/single-file/pipeline-configs.js";
import { findNetworks, type SingleFile } from "../checkpoint/single-file/read-single-file.js";
import { describeTextualInversion, MOST_VECTORS, type TextualInversionDescription } from "../checkpoint/textual-inversion.js";
import { describeUpscaler, type UpscalerDescription } from "../checkpoint/upscaler-file.js";
import { describeChannels, familyByContextWidth, familyByEmbedding, insteadOfOther, otherFamily } from "../families/lookups.js";
import { baseFamily } from "../lora/base-family.js";
import { type LoraDescription, loraMethods } from "../lora/describe.js";
import type { Folder } from "../platform/folder.js";

/** The kind of a safetensors file, with what its header shows of it. */
export type RecognisedFile =
  | { readonly kind: "checkpoint"; readonly className: string; readonly family: string; readonly file: SingleFile }
  | {
      readonly kind: "network";
      readonly className: string;
      readonly family: string | undefined;
      readonly part: FilePart;
      /** Of a transformer: the checkpoint whose configs go with it, and the networks that the file lacks. */
      readonly origin?: { readonly configs: string; readonly needs: readonly NeededPart[] };
    }
  | ({ readonly kind: "lora" } & Pick<LoraDescription, "methods" | "family">)
  | ({ readonly kind: "textual-inversion"; readonly family: string | undefined } & TextualInversionDescription)
  | { readonly kind: "ip-adapter"; readonly family: string | undefined; readonly projection: IPAdapterKind | undefined }
  | ({ readonly kind: "upscaler" } & UpscalerDescription)
  | { readonly kind: "foreign"; readonly family: string }
  | { readonly kind: "unknown" };

/** Says what a safetensors file is, by its header. */
export async function recogniseFile(header: SafetensorsHeader, folder: Folder, path: string): Promise<RecognisedFile> {
  if (isIPAdapter(header)) {
    const projection = ipAdapterKind((name) => header.tensors.has(`image_proj.${name}`));
    return { kind: "ip-adapter", family: ipAdapterFamily(header), projection };
  }
  // LoRAs first, because most files are LoRAs. Only few other files have tensors like theirs.
  const other = otherFamily(header.tensors.keys());
  if (other !== undefined && insteadOfOther(other) !== undefined) return { kind: "foreign", family: other };
  const methods = loraMethods(header);
  if (methods) return { kind: "lora", methods, family: baseFamily(header) };
  const upscaler = describeUpscaler(header);
  if (upscaler) return { kind: "upscaler", ...upscaler };
  const file = await findNetworks(header, folder, path);
  if (file?.parts.has("unet")) {
    const className = pipelineClass(file.kind);
    if (className === undefined) return { kind: "foreign", family: describeChannels(file.kind.inChannels) };
    return { kind: "checkpoint", className, family: file.kind.family.name, file };
  }
  if (file) {
    // Of several networks, the first.
    const [name, part] = [...file.parts][0] as [PartName, FilePart];
    // An autoencoder's shapes are the same in several families. Only its metadata can tell which one it belongs to.
    const isUnknown = part.layout !== undefined || ((name === "vae" || name === "motion_adapter") && file.isFamilyAssumed);
    const family = isUnknown ? undefined : file.kind.family.name;
    const origin = transformerOrigin(file, path);
    if (!origin) return { kind: "network", className: classNameOf(name, part), family, part };
    const transformer = file.parts.get("transformer") as FilePart;
    const { configs, needs } = origin;
    return {
      kind: "network",
      className: classNameOf("transformer", transformer),
      family: origin.family.name,
      part: transformer,
      origin: { configs, needs },
    };
  }
  const embedding = describeTextualInversion(header);
  if (embedding && !isSomeWeight(embedding)) return { kind: "textual-inversion", ...embedding, family: embeddingFamily(embedding) };
  return other === undefined ? { kind: "unknown" } : { kind: "foreign", family: other };
}

/** Whether a file has the names of Tencent's IP-Adapters. Those of FaceID have a LoRA inside. */
function isIPAdapter({ tensors }: SafetensorsHeader): boolean {
  const names = [...tensors.keys()];
  return names.some((name) => name.startsWith("image_proj.")) && names.some((name) => name.startsWith("ip_adapter."));
}

/** The family with text features of the width of the adapter's keys. */
function ipAdapterFamily({ tensors }: SafetensorsHeader): string | undefined {
  const [, width = 0] = tensors.get("ip_adapter.1.to_k_ip.weight")?.shape ?? [];
  return familyByContextWidth(width)?.name;
}

/** Whether the only matrix of a file is a layer's weight, by its name or size, and not an embedding with its token as the name. */
function isSomeWeight({ token = "", vectors }: TextualInversionDescription): boolean {
  return /(^|\.)(weight|bias)$/.test(token) || vectors > MOST_VECTORS;
}

function embeddingFamily({ layout, widths }: TextualInversionDescription): string | undefined {
  return familyByEmbedding(layout === "xl" ? "table per encoder" : "one table", widths)?.name;
}
