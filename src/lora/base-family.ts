import type { SafetensorsHeader } from "../checkpoint/safetensors.js";
import { familyByContextWidth, familyByLoraTensor, otherFamilyByLoraTensor } from "../families/lookups.js";
import { loraContents } from "./lora-file.js";
import { inputWidth, outputWidth } from "./lora-methods.js";
import { transformerFamily } from "./transformer-family.js";

/** The width of the text features that a LoRA's UNet reads; undefined if the file changes no cross-attention. */
export function contextWidth(header: SafetensorsHeader): number | undefined {
  for (const { layer, part, tensors } of loraContents(header).layers) {
    const width = part === "unet" && /_attn2_to_[kv]$/.test(layer) ? inputWidth(tensors) : undefined;
    if (width !== undefined) return width;
  }
  return undefined;
}

/** The family of checkpoints that a LoRA was probably made for, by its names and shapes; undefined if they do not show it. */
export function baseFamily(header: SafetensorsHeader): string | undefined {
  const transformer = loraTransformerFamily(header);
  if (transformer !== undefined) return transformer;
  const names = [...header.tensors.keys()];
  const other = first(names, otherFamilyByLoraTensor);
  if (other !== undefined) return other;
  const width = contextWidth(header);
  return width === undefined ? first(names, familyByLoraTensor)?.name : familyByContextWidth(width)?.name;
}

/** The family of the transformer that a LoRA changes, or several with "or" between them; undefined if its layers do not show it. */
export function loraTransformerFamily(header: SafetensorsHeader): string | undefined {
  const layers = loraContents(header).layers.filter(({ part }) => part === "transformer");
  return transformerFamily(layers.map(({ layer, tensors }) => ({ layer, ins: inputWidth(tensors), out: outputWidth(tensors) })));
}

/** The first answer that one of `names` has. */
function first<Answer>(names: readonly string[], find: (name: string) => Answer | undefined): Answer | undefined {
  for (const name of names) {
    const answer = find(name);
    if (answer !== undefined) return answer;
  }
  return undefined;
}
