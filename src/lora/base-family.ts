import type { SafetensorsHeader } from "../checkpoint/safetensors.js";
import { familyByContextWidth, familyByLoraTensor, otherFamilyByLoraTensor } from "../families/lookups.js";
import { loraContents } from "./lora-file.js";
import { inputWidth } from "./lora-methods.js";

/** The width of the text features that a LoRA's UNet reads; undefined if the file changes no cross-attention. */
export function contextWidth(header: SafetensorsHeader): number | undefined {
  for (const { layer, tensors } of loraContents(header).layers) {
    const width = /_attn2_to_[kv]$/.test(layer) ? inputWidth(tensors) : undefined;
    if (width !== undefined) return width;
  }
  return undefined;
}

/** The family of checkpoints that a LoRA was probably made for, by its names and shapes; undefined if they do not show it. */
export function baseFamily(header: SafetensorsHeader): string | undefined {
  const names = [...header.tensors.keys()];
  const other = first(names, otherFamilyByLoraTensor);
  if (other !== undefined) return other;
  const width = contextWidth(header);
  return width === undefined ? first(names, familyByLoraTensor)?.name : familyByContextWidth(width)?.name;
}

/** The first answer that one of `names` has. */
function first<Answer>(names: readonly string[], find: (name: string) => Answer | undefined): Answer | undefined {
  for (const name of names) {
    const answer = find(name);
    if (answer !== undefined) return answer;
  }
  return undefined;
}
