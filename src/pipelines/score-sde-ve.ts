import type { ModelIndex } from "../checkpoint/model-index.js";
import { ArgumentError } from "../errors.js";
import { SCORE_SDE_VE } from "../families/score-sde-ve.js";
import { withArticle } from "../given.js";
import { pictures } from "../image/picture.js";
import { ScoreSdeVeScheduler } from "../schedulers/score-sde-ve.js";
import { randnPerImage } from "../tensor/random.js";
import type { Tensor } from "../tensor/tensor.js";
import type { ComponentSource } from "./shared/components.js";
import type { DenoisingStep } from "./shared/pipeline-run.js";
import {
  loadUnconditional,
  UNCONDITIONAL_FIELDS,
  UNCONDITIONAL_PARTS,
  type UnconditionalCall,
  type UnconditionalComponents,
  UnconditionalPipeline,
  type UnconditionalRequest,
} from "./unconditional.js";

/**
 * Makes pictures from noise by a stochastic differential equation whose variance explodes (Song et al. 2021, arXiv:2011.13456), in 2000
 * steps by default. Before each step the network corrects the sample `correctSteps` times. Matches diffusers' ScoreSdeVePipeline.
 */
export class ScoreSdeVePipeline extends UnconditionalPipeline<UnconditionalRequest> {
  /** The class's name in diffusers. */
  static override readonly className = "ScoreSdeVePipeline";
  /** @internal Fields of the parts. */
  static readonly parts = UNCONDITIONAL_PARTS;
  /** The class's name in diffusers; it discriminates unions of pipelines. */
  readonly className = ScoreSdeVePipeline.className;
  protected readonly fields = UNCONDITIONAL_FIELDS;
  protected readonly defaults = SCORE_SDE_VE.workflows.noise.defaults;

  /** Loads the parts that are not in `given`. Call `fromPretrained` instead. */
  static async open(source: ComponentSource, _index: ModelIndex, given: Partial<UnconditionalComponents>): Promise<ScoreSdeVePipeline> {
    return new ScoreSdeVePipeline(await loadUnconditional(source, given), source);
  }

  /** Predictor-corrector sampling (Algorithm 2 of the paper). */
  protected override async *denoise(call: UnconditionalCall<UnconditionalRequest>): AsyncGenerator<DenoisingStep, Tensor, void> {
    const { batch, steps, generator, scheduler, signal } = call;
    if (!(scheduler instanceof ScoreSdeVeScheduler)) {
      throw new ArgumentError(`the scheduler is ${withArticle(scheduler.className)}; ${this.className} needs a ScoreSdeVeScheduler`, {
        argument: "scheduler",
      });
    }
    scheduler.setTimesteps(steps);
    scheduler.setSigmas(steps);
    let sample = randnPerImage(this.noiseShape(batch), generator).mul(scheduler.initNoiseSigma);
    let mean = sample;
    for (const [index, timestep] of scheduler.timesteps.entries()) {
      signal?.throwIfAborted();
      const sigma = scheduler.sigmas[index] as number;
      for (let i = 0; i < scheduler.config.correctSteps; i++) {
        sample = scheduler.stepCorrect(await this.predict(sample, sigma), sample, { generator }).prevSample;
      }
      ({ prevSample: sample, prevSampleMean: mean } = scheduler.stepPred(await this.predict(sample, sigma), timestep, sample, {
        generator,
      }));
      const predicted = mean;
      yield { index, total: steps, timestep, latents: sample, preview: async () => pictures(predicted.clamp(0, 1)) };
    }
    signal?.throwIfAborted();
    return mean.clamp(0, 1);
  }
}
