import { describe, expect, it } from "vitest";
import { ScoreSdeVeScheduler } from "../../src/schedulers/score-sde-ve.js";
import { ScoreSdeVpScheduler } from "../../src/schedulers/score-sde-vp.js";
import { Tensor } from "../../src/tensor/tensor.js";

const zeros = Tensor.zeros([1, 3, 4, 4]);

describe("score-based schedulers", () => {
  it("have no step that other pipelines could call", () => {
    expect(() => new ScoreSdeVeScheduler().step(zeros, 1, zeros)).toThrow("its steps are stepCorrect and stepPred");
    expect(() => new ScoreSdeVpScheduler().step(zeros, 1, zeros)).toThrow("its step is stepPred");
  });

  it("need setTimesteps before a step of preserved variance", () => {
    expect(() => new ScoreSdeVpScheduler().stepPred(zeros, zeros, 1)).toThrow("call setTimesteps before step");
  });

  it("keep the noise levels until setSigmas, as in diffusers", () => {
    const scheduler = new ScoreSdeVeScheduler();
    scheduler.setTimesteps(3);
    expect(scheduler.timesteps).toHaveLength(3);
    expect(scheduler.sigmas).toHaveLength(2000);
    scheduler.setSigmas(3, { sigmaMax: 10 });
    expect(scheduler.sigmas[0]).toBeCloseTo(10, 4);
  });
});
