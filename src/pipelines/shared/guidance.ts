import { f32 } from "../../schedulers/float32/arithmetic.js";
import { expTorch } from "../../schedulers/float32/exp-log.js";
import type { Scheduler } from "../../schedulers/shared/scheduler.js";
import { Tensor } from "../../tensor/tensor.js";
import { warn } from "../../warnings.js";

/**
 * Classifier-free guidance (Ho & Salimans 2022) of a prediction [2 * batch, ...], the unconditional half first: unconditional +
 * guidanceScale * (conditional - unconditional). `guidanceRescale` restores the contrast of the conditional half (Lin et al. 2023, section
 * 3.4). `further` guidance is added before.
 */
export function guide(prediction: Tensor, guidanceScale: number, guidanceRescale = 0, further?: Tensor): Tensor {
  const [unconditional, conditional] = prediction.chunk(2);
  const free = unconditional.add(conditional.sub(unconditional).mul(guidanceScale));
  const guided = further ? free.add(further) : free;
  return guidanceRescale > 0 ? rescale(guided, conditional, guidanceRescale) : guided;
}

/**
 * Guidance by a text and a picture (Brooks et al. 2023, equation 3) of a prediction [3 * batch, ...]: without both, with the picture, with
 * picture and text. `guidanceRescale` as in {@link guide}.
 */
export function guideEdit(prediction: Tensor, guidanceScale: number, imageGuidanceScale: number, guidanceRescale = 0): Tensor {
  const [unconditional, image, text] = prediction.chunk(3);
  const byText = unconditional.add(text.sub(image).mul(guidanceScale));
  const guided = byText.add(image.sub(unconditional).mul(imageGuidanceScale));
  return guidanceRescale > 0 ? rescale(guided, text, guidanceRescale) : guided;
}

/** Matches diffusers' rescale_noise_cfg, picture by picture. */
function rescale(guided: Tensor, conditional: Tensor, amount: number): Tensor {
  const sides = guided.shape.map((_, axis) => axis).slice(1);
  const deviation = (tensor: Tensor) => tensor.std(sides, { keepdim: true });
  const ratio = deviation(conditional).div(deviation(guided));
  return guided.mul(ratio.mul(amount).add(1 - amount));
}

/** CFG++ needs weaker guidance than other samplers. Above this, colours burn. */
const STRONG_CFG_PLUS_PLUS = 3;

/** Warns of a scale that is meant for other schedulers than this one, which steps by CFG++. */
export function warnOfStrongGuidance({ needsUnconditional, className, config }: Scheduler, guidanceScale: number): void {
  const { guidanceFactor = 1 } = config as { readonly guidanceFactor?: number };
  if (!needsUnconditional || guidanceScale * guidanceFactor <= STRONG_CFG_PLUS_PLUS) return;
  warn(
    (name) =>
      `${name("guidanceScale")} is ${guidanceScale}; with CFG++ (${className}) it is meant to be ${1 / guidanceFactor} to ${2 / guidanceFactor}`,
  );
}

/**
 * The embedding of the guidance scale [batch, width] for networks that were distilled for guidance (Meng et al. 2023).
 * Matches diffusers' get_guidance_scale_embedding.
 */
export function guidanceScaleEmbedding(guidanceScale: number, batch: number, width: number): Tensor {
  const half = Math.floor(width / 2);
  // In float32, as torch computes it: the angles are in the thousands, where the last bit changes the fourth decimal of the sine.
  const scale = f32(f32(guidanceScale - 1) * 1000);
  const rate = f32(f32(Math.log(10000)) / (half - 1));
  const angles = Array.from({ length: half }, (_, i) => f32(scale * expTorch(f32(i * -rate))));
  const row = [...angles.map(Math.sin), ...angles.map(Math.cos), ...(width % 2 === 1 ? [0] : [])];
  return Tensor.from(row, [1, width]).repeatInterleave(batch);
}
