import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DDIMScheduler } from "../../src/schedulers/ddim.js";
import { DPMSolverMultistepScheduler } from "../../src/schedulers/dpm-solver-multistep.js";
import { EulerDiscreteScheduler } from "../../src/schedulers/euler-discrete.js";
import { logNumpy } from "../../src/schedulers/float32/exp-log.js";
import { sqrtTorch } from "../../src/schedulers/float32/sqrt.js";
import { betaQuantile } from "../../src/schedulers/shared/beta-distribution.js";
import { UniPCMultistepScheduler } from "../../src/schedulers/unipc-multistep.js";
import { Generator, randn } from "../../src/tensor/random.js";

const steps = fc.integer({ min: 1, max: 200 });
const spacing = fc.constantFrom("useKarrasSigmas", "useExponentialSigmas", "useBetaSigmas", "useNone");
const spacedFlags = (flag: string) => (flag === "useNone" ? {} : { [flag]: true });

describe("sigmas", () => {
  it.each([EulerDiscreteScheduler, DPMSolverMultistepScheduler, UniPCMultistepScheduler])(
    "never rise, and end at zero: %o",
    (scheduler) => {
      fc.assert(
        fc.property(steps, spacing, (count, flag) => {
          const made = new scheduler(spacedFlags(flag));
          made.setTimesteps(count);
          expect(made.timesteps).toHaveLength(count);
          expect(made.sigmas).toHaveLength(count + 1);
          expect(made.sigmas.at(-1)).toBe(0);
          for (let i = 1; i <= count; i++) expect(made.sigmas[i]).toBeLessThanOrEqual(made.sigmas[i - 1] as number);
        }),
        { numRuns: 40 },
      );
    },
  );
});

describe("addNoise", () => {
  it("is undone by one DDIM step to zero with the exact noise", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 999 }), fc.integer({ min: 0, max: 2 ** 32 - 1 }), (timestep, seed) => {
        const generator = new Generator(seed);
        const [original, noise] = [randn([1, 3, 4, 4], generator), randn([1, 3, 4, 4], generator)];
        const scheduler = new DDIMScheduler({ clipSample: false });
        scheduler.setTimesteps(1);
        const noisy = scheduler.addNoise(original, noise, [timestep]);
        const { prevSample } = scheduler.step(noise, timestep, noisy);
        const worst = Math.max(...prevSample.sub(original).toArray().map(Math.abs));
        expect(worst).toBeLessThan(2e-3); // alpha is 0.006 at the noisiest timestep
      }),
      { numRuns: 40 },
    );
  });

  it("takes one timestep for each row", () => {
    const scheduler = new DDIMScheduler();
    const [original, noise] = [randn([2, 3, 4, 4], new Generator(1)), randn([2, 3, 4, 4], new Generator(2))];
    const both = scheduler.addNoise(original, noise, [10, 900]);
    const second = scheduler.addNoise(original.slice(1, 2), noise.slice(1, 2), [900]);
    expect(both.slice(1, 2).toArray()).toEqual(second.toArray());
  });

  it("refuses a number of timesteps that is neither one nor the batch", () => {
    const noise = randn([2, 3, 4, 4], new Generator(2));
    expect(() => new DDIMScheduler().addNoise(noise, noise, [1, 2, 3])).toThrow("3 timesteps were given for a batch of 2");
  });
});

describe("a perfect noise prediction", () => {
  it.each([EulerDiscreteScheduler, DPMSolverMultistepScheduler, UniPCMultistepScheduler])("leads back to the picture: %o", (scheduler) => {
    const generator = new Generator(5);
    const [original, noise] = [randn([1, 3, 4, 4], generator), randn([1, 3, 4, 4], generator)];
    const made = new scheduler();
    made.setTimesteps(12);
    let sample = made.addNoise(original, noise, made.timesteps.slice(0, 1));
    for (const t of made.timesteps) sample = made.step(noise, t, sample).prevSample;
    expect(Math.max(...sample.sub(original).toArray().map(Math.abs))).toBeLessThan(5e-4);
  });
});

describe("numerical functions", () => {
  it("finds quantiles that scipy.stats.beta.ppf finds", () => {
    const scipy: [number, number][] = [
      [0.0, 0.0],
      [0.01, 0.0008612388215429059],
      [0.1, 0.03958440558878085],
      [0.25, 0.17568037865269498],
      [0.5, 0.5000000000000001],
      [0.9, 0.9604155944112192],
      [0.99, 0.9991387611784571],
      [1.0, 1.0],
    ];
    for (const [p, x] of scipy) expect(betaQuantile(p, 0.6, 0.6)).toBeCloseTo(x, 14);
  });

  it("has symmetric quantiles for equal parameters", () => {
    fc.assert(
      fc.property(
        fc.double({ min: 1e-6, max: 0.5, noNaN: true }),
        (p) => Math.abs(betaQuantile(p, 0.6, 0.6) + betaQuantile(1 - p, 0.6, 0.6) - 1) < 1e-12,
      ),
    );
  });

  it("takes torch's square root of a zero-SNR schedule's first ratio", () => {
    expect(sqrtTorch(2 ** 24 - 1)).toBe(4096);
  });

  it("takes roots within one unit in the last place", () => {
    fc.assert(
      fc.property(fc.float({ min: Math.fround(1e-30), max: Math.fround(1e30), noNaN: true }), (x) => {
        expect(Math.abs(sqrtTorch(x) / Math.sqrt(x) - 1)).toBeLessThan(2 ** -23);
      }),
    );
  });

  it("takes logarithms within four units in the last place", () => {
    fc.assert(
      fc.property(fc.float({ min: Math.fround(1e-30), max: Math.fround(1e30), noNaN: true }), (x) => {
        expect(Math.abs(logNumpy(x) - Math.log(x))).toBeLessThanOrEqual(4 * 2 ** -23 * Math.max(Math.abs(Math.log(x)), 2 ** -3));
      }),
    );
  });
});
