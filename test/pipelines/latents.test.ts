import { describe, expect, it } from "vitest";
import { guide } from "../../src/pipelines/shared/guidance.js";
import { type LatentScale, scaleLatents, unscaleLatents } from "../../src/pipelines/shared/latents.js";
import { Generator, randn } from "../../src/tensor/random.js";
import { concat, Tensor } from "../../src/tensor/tensor.js";

const encoded = Tensor.from([1, 2, 3, 4], [1, 2, 1, 2]);

describe("latents", () => {
  it.each<[LatentScale, readonly number[]]>([
    [{ scalingFactor: 2 }, [2, 4, 6, 8]],
    [{ scalingFactor: 2, shiftFactor: 1 }, [0, 2, 4, 6]],
    [{ scalingFactor: 2, shiftFactor: 0 }, [2, 4, 6, 8]],
    [{ scalingFactor: 2, latentsMean: [1, 2], latentsStd: [0.5, 4] }, [0, 4, 0.5, 1]],
    [{ scalingFactor: 2, latentsMean: [1, 2], latentsStd: null }, [2, 4, 6, 8]],
    [{ scalingFactor: 2, shiftFactor: 1, latentsMean: [1, 1], latentsStd: [1, 1] }, [-2, 0, 2, 4]],
  ])("are (encoded - shift) * scale, less the mean of their channel, by its deviation: %o, and back", (scale, expected) => {
    const latents = scaleLatents(encoded, scale);
    expect(latents.toArray()).toEqual(expected);
    expect(unscaleLatents(latents, scale)).toEqual(encoded);
  });
});

describe("guidance with rescaling", () => {
  it("gives each row of packed latents the deviation of its conditional half", () => {
    const [unconditional, conditional] = [randn([2, 3, 4], new Generator(1)), randn([2, 3, 4], new Generator(2))];
    const guided = guide(concat([unconditional, conditional]), 5, 1);
    const deviations = (tensor: Tensor) => tensor.std([1, 2]).toArray();
    expect(deviations(guided)).toEqual(deviations(conditional).map((value) => expect.closeTo(value, 5)));
  });
});
