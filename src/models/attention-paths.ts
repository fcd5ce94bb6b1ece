import type { Weights } from "../checkpoint/weights.js";

/** diffusers' order of a UNet's blocks. The middle block comes last. */
const WAYS = ["down_blocks", "up_blocks", "mid_block"];

/** A UNet's attention layers with this name, in diffusers' order; those of motion modules, which attend to other frames, are left out. */
export function attentionPaths(unet: Weights, name: "attn1" | "attn2"): string[] {
  const order = (path: string) => WAYS.indexOf(path.slice(0, path.indexOf(".")));
  const numbers = new Intl.Collator("en", { numeric: true });
  return unet
    .names()
    .filter((tensor) => !tensor.includes(".motion_modules."))
    .flatMap((tensor) => (tensor.endsWith(`.${name}.to_k.weight`) ? tensor.slice(0, -".to_k.weight".length) : []))
    .sort((a, b) => order(a) - order(b) || numbers.compare(a, b));
}
