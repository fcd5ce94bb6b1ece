import { ArgumentError } from "../../errors.js";
import type { DDIMPipeline } from "../../pipelines/ddim.js";
import type { DDPMPipeline } from "../../pipelines/ddpm.js";
import type { ScoreSdeVePipeline } from "../../pipelines/score-sde-ve.js";
import type { UnconditionalRequest } from "../../pipelines/unconditional.js";
import { unconditionalRunner } from "../runner.js";
import type { FamilyWorkflow } from "./workflow.js";

/** Pictures without a prompt, in as many steps as the checkpoint was trained with. */
export const DDPM = unconditional(async () => (await import("../../pipelines/ddpm.js")).DDPMPipeline);

/** Pictures without a prompt, in few steps. */
export const DDIM = unconditional(async () => (await import("../../pipelines/ddim.js")).DDIMPipeline);

/** Pictures without a prompt, in one step. A class-conditional model draws the class, unless the request names it. */
export const CONSISTENCY: FamilyWorkflow = {
  async open({ model }, { vae, ...options }, keep) {
    const { ConsistencyModelPipeline } = await import("../../pipelines/consistency-model.js");
    const open = keep(await ConsistencyModelPipeline.fromPretrained(model, options));
    return {
      pipeline: open,
      async runner({ scheduler, numInferenceSteps, timesteps, classLabels }) {
        if (classLabels && !open.unet.config.numClassEmbeds) {
          throw new ArgumentError((name) => `${name("classLabels")} has no effect on this model, which was trained without classes`, {
            argument: "classLabels",
            hint: (name) => `leave ${name("classLabels")} out`,
          });
        }
        const pipe = Object.assign(new ConsistencyModelPipeline({ ...open }), { scheduler });
        return unconditionalRunner(pipe, (index) => ({
          ...(timesteps ? { timesteps } : { numInferenceSteps }),
          classLabels: classLabels?.at(index) ?? classLabels?.at(-1),
        }));
      },
    };
  },
};

/** Pictures without a prompt, by a stochastic differential equation. */
export const SCORE_SDE_VE = unconditional(async () => (await import("../../pipelines/score-sde-ve.js")).ScoreSdeVePipeline);

type PixelPipeline = typeof DDPMPipeline | typeof DDIMPipeline | typeof ScoreSdeVePipeline;

function unconditional(load: () => Promise<PixelPipeline>): FamilyWorkflow {
  return {
    async open({ model }, { vae, ...options }, keep) {
      const Pipeline = await load();
      const open = keep(await Pipeline.fromPretrained(model, options));
      return {
        pipeline: open,
        async runner({ scheduler, numInferenceSteps }) {
          return unconditionalRunner<UnconditionalRequest>(Object.assign(new Pipeline({ ...open }), { scheduler }), () => ({
            numInferenceSteps,
          }));
        },
      };
    },
  };
}
