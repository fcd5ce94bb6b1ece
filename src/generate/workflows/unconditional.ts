import { unconditionalRunner } from "../runner.js";
import type { FamilyWorkflow } from "./workflow.js";

/** Pictures without a prompt, in as many steps as the checkpoint was trained with. */
export const DDPM: FamilyWorkflow = {
  async open({ model }, { vae, ...options }, keep) {
    const { DDPMPipeline } = await import("../../pipelines/ddpm.js");
    const open = keep(await DDPMPipeline.fromPretrained(model, options));
    return {
      pipeline: open,
      async runner({ scheduler, numInferenceSteps }) {
        return unconditionalRunner(Object.assign(new DDPMPipeline({ ...open }), { scheduler }), numInferenceSteps);
      },
    };
  },
};

/** Pictures without a prompt, in few steps. */
export const DDIM: FamilyWorkflow = {
  async open({ model }, { vae, ...options }, keep) {
    const { DDIMPipeline } = await import("../../pipelines/ddim.js");
    const open = keep(await DDIMPipeline.fromPretrained(model, options));
    return {
      pipeline: open,
      async runner({ scheduler, numInferenceSteps }) {
        return unconditionalRunner(Object.assign(new DDIMPipeline({ ...open }), { scheduler }), numInferenceSteps);
      },
    };
  },
};
