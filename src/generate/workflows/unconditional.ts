import type { DDIMPipeline } from "../../pipelines/ddim.js";
import type { DDPMPipeline } from "../../pipelines/ddpm.js";
import { unconditionalRunner } from "../runner.js";
import type { FamilyWorkflow } from "./workflow.js";

/** Pictures without a prompt, in as many steps as the checkpoint was trained with. */
export const DDPM = unconditional(async () => (await import("../../pipelines/ddpm.js")).DDPMPipeline);

/** Pictures without a prompt, in few steps. */
export const DDIM = unconditional(async () => (await import("../../pipelines/ddim.js")).DDIMPipeline);

function unconditional(load: () => Promise<typeof DDPMPipeline | typeof DDIMPipeline>): FamilyWorkflow {
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
