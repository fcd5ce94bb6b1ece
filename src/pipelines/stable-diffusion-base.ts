import { CLIPTextModel } from "../models/clip-text.js";
import { type UNet2DConditionInputs, UNet2DConditionModel } from "../models/unet-2d-condition.js";
import type { Scheduler } from "../schedulers/scheduler.js";
import { concat } from "../tensor/tensor.js";
import type { CLIPTokenizer } from "../tokenizer/clip.js";
import { warn } from "../warnings.js";
import { AUTOENCODERS, type ComponentSource, SCHEDULERS_OF_CHECKPOINTS, TOKENIZERS } from "./components.js";
import { encodePrompt } from "./encode-prompt.js";
import { guidanceScaleEmbedding } from "./guidance.js";
import { type Call, type LatentDiffusionComponents, LatentDiffusionPipeline, type LatentDiffusionRequest } from "./latent-diffusion.js";

/** The parts of a Stable Diffusion 1.x or 2.x checkpoint. */
export interface StableDiffusionComponents extends LatentDiffusionComponents {
  readonly textEncoder: CLIPTextModel;
  readonly tokenizer: CLIPTokenizer;
  /** null does without the check for unsafe pictures. */
  readonly safetyChecker?: null;
}

/** What the pipelines of Stable Diffusion 1.x and 2.x share: one text encoder, a safety checker. */
export abstract class StableDiffusionBase<Request extends LatentDiffusionRequest> extends LatentDiffusionPipeline<Request> {
  textEncoder: CLIPTextModel;
  tokenizer: CLIPTokenizer;

  /** A pipeline over parts loaded one by one, which stay the caller's to dispose. */
  constructor(components: StableDiffusionComponents, source?: ComponentSource) {
    super({ ...components, scheduler: modernised(components.scheduler) }, source);
    this.textEncoder = components.textEncoder;
    this.tokenizer = components.tokenizer;
  }

  /** What the UNet is conditioned on: the prompts, unconditional half first under guidance. */
  protected async conditioning({ request, batch, isGuided, guidanceScale }: Call<Request>): Promise<UNet2DConditionInputs> {
    const { promptEmbeds, negativePromptEmbeds } = await encodePrompt(this.tokenizer, this.textEncoder, request, isGuided);
    const { timeCondProjDim } = this.unet.config;
    return {
      encoderHiddenStates: negativePromptEmbeds ? concat([negativePromptEmbeds, promptEmbeds]) : promptEmbeds,
      ...(timeCondProjDim && { timestepCond: guidanceScaleEmbedding(guidanceScale, batch, timeCondProjDim) }),
    };
  }
}

/** Loads the parts that `given` does not bring. */
export async function loadStableDiffusion(
  source: ComponentSource,
  given: Partial<StableDiffusionComponents>,
): Promise<StableDiffusionComponents> {
  if (given.safetyChecker !== null && source.has("safety_checker")) {
    warn("the checkpoint's safety checker is not run; give safetyChecker: null to say that this is meant");
  }
  const [vae, textEncoder, tokenizer, unet, scheduler] = await Promise.all([
    source.load("vae", AUTOENCODERS, given.vae),
    source.load("text_encoder", { CLIPTextModel }, given.textEncoder),
    source.load("tokenizer", TOKENIZERS, given.tokenizer),
    source.load("unet", { UNet2DConditionModel }, given.unet),
    source.load("scheduler", SCHEDULERS_OF_CHECKPOINTS, given.scheduler),
  ]);
  return { vae, textEncoder, tokenizer, unet, scheduler };
}

/** Two settings that old checkpoints' schedulers have wrong for Stable Diffusion; diffusers mends them in the same place. */
function modernised(scheduler: Scheduler): Scheduler {
  const { stepsOffset = 1, clipSample } = scheduler.config as { stepsOffset?: number; clipSample?: boolean };
  if (stepsOffset === 1 && clipSample !== true) return scheduler;
  return scheduler.clone({ ...(stepsOffset !== 1 && { stepsOffset: 1 }), ...(clipSample && { clipSample: false }) });
}
