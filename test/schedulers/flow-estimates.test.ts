import { describe, expect, it } from "vitest";
import { FlowMatchEulerDiscreteScheduler } from "../../src/schedulers/flow-match-euler-discrete.js";
import { FlowMatchHeunDiscreteScheduler } from "../../src/schedulers/flow-match-heun-discrete.js";
import { FlowMatchLCMScheduler } from "../../src/schedulers/flow-match-lcm.js";
import { Generator } from "../../src/tensor/random.js";
import { Tensor } from "../../src/tensor/tensor.js";

describe("flow-matching schedulers estimate the picture at every step, for previews", () => {
  const picture = Tensor.from([0.3, -0.7], [1, 1, 1, 2]);
  const noise = Tensor.from([1.5, 2], [1, 1, 1, 2]);

  it.each([FlowMatchEulerDiscreteScheduler, FlowMatchHeunDiscreteScheduler, FlowMatchLCMScheduler])("%o", (Scheduler) => {
    const scheduler = new Scheduler({});
    scheduler.setTimesteps(5);
    const velocity = noise.sub(picture);
    let sample = noise;
    for (const timestep of scheduler.timesteps) {
      // A sample of LCM has fresh noise; its velocity is another.
      const isOnLine = Scheduler !== FlowMatchLCMScheduler || sample === noise;
      const { prevSample, predOriginalSample } = scheduler.step(velocity, timestep, sample, { generator: new Generator(0) });
      for (const [i, value] of picture.data.entries()) if (isOnLine) expect(predOriginalSample?.data[i]).toBeCloseTo(value, 5);
      sample = prevSample;
    }
  });

  it("with time reversed, at the other end", () => {
    const scheduler = new FlowMatchEulerDiscreteScheduler({ invertSigmas: true });
    scheduler.setTimesteps(4);
    let sample = noise;
    for (const timestep of scheduler.timesteps) {
      const { prevSample, predOriginalSample } = scheduler.step(picture.sub(noise), timestep, sample);
      for (const [i, value] of picture.data.entries()) expect(predOriginalSample?.data[i]).toBeCloseTo(value, 2);
      sample = prevSample;
    }
  });
});
