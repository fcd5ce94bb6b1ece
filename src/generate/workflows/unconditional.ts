import type { ConsistencyModelPipeline } from "../../pipelines/consistency-model.js";
import type { DDIMPipeline } from "../../pipelines/ddim.js";
import type { DDPMPipeline } from "../../pipelines/ddpm.js";
import type { ScoreSdeVePipeline } from "../../pipelines/score-sde-ve.js";
import { unconditionalRunner } from "../runner.js";
import type { FamilyWorkflow } from "./workflow.js";

/** Pictures without a prompt, in as many steps as the checkpoint was trained with. */
export const DDPM = unconditional(async () => (await import("../../pipelines/ddpm.js")).DDPMPipeline);

/** Pictures without a prompt, in few steps. */
export const DDIM = unconditional(async () => (await import("../../pipelines/ddim.js")).DDIMPipeline);

/** Pictures without a prompt, in one step. A class-conditional model draws the class. */
export const CONSISTENCY = unconditional(async () => (await import("../../pipelines/consistency-model.js")).ConsistencyModelPipeline);

/** Pictures without a prompt, by a stochastic differential equation. */
export const SCORE_SDE_VE = unconditional(async () => (await import("../../pipelines/score-sde-ve.js")).ScoreSdeVePipeline);

type PixelPipeline = typeof DDPMPipeline | typeof DDIMPipeline | typeof ConsistencyModelPipeline | typeof ScoreSdeVePipeline;

function unconditional(load: () => Promise<PixelPipeline>): FamilyWorkflow {
  return {
    async open({ model }, { vae, ...options }, keep) {
      const Pipeline = await load();
      const open = keep(await Pipeline.fromPretrained(model, options));
      return {
        pipeline: open,
        async runner({ scheduler, numInferenceSteps }) {
          return unconditionalRunner(Object.assign(new Pipeline({ ...open }), { scheduler }), numInferenceSteps);
        },
      };
    },
  };
}
