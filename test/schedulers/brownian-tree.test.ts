import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { ConfigError } from "../../src/errors.js";
import { BrownianTree } from "../../src/schedulers/shared/brownian-tree.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { readTensors } from "../helpers/safetensors.js";

const folder = new URL("../fixtures/scheduler-extras", import.meta.url).pathname;
const tensors = readTensors(`${folder}/extras.safetensors`);
const { times } = JSON.parse(readFileSync(`${folder}/extras.json`, "utf8")) as { times: [number, number][] };
const plant = () => new BrownianTree(0.03, 14.6146, [3, 4, 4], 2n ** 35n + 11n);
const worst = (a: Tensor, b: Tensor) => Math.max(...a.sub(b).toArray().map(Math.abs));

describe("a Brownian tree", () => {
  it.each(times.map((interval, i) => [...interval, i] as const))("has torchsde's increment from %d to %d", (from, to, i) => {
    expect(worst(plant().increment(from, to), tensors[`tree.${i}`] as Tensor)).toBeLessThan(1e-6);
  });

  it("has the same increments in whatever order they are asked for", () => {
    const [forwards, backwards] = [plant(), plant()];
    const ahead = times.map(([from, to]) => forwards.increment(from, to).toArray());
    const back = times.toReversed().map(([from, to]) => backwards.increment(from, to).toArray());
    expect(back.toReversed()).toEqual(ahead);
  });

  it("adds up", () => {
    const tree = plant();
    expect(worst(tree.increment(1, 4), tree.increment(1, 2.5).add(tree.increment(2.5, 4)))).toBeLessThan(1e-5);
  });

  it.each([
    [Number.NaN, 1],
    [0.1, Number.POSITIVE_INFINITY],
    [0, 1e300],
    [2, 1],
  ])("does not grow from %d to %d", (start, end) => {
    expect(() => new BrownianTree(start, end, [2], 1n)).toThrow(ConfigError);
  });

  it("refuses a time that is not a number", () => {
    expect(() => plant().increment(1, Number.NaN)).toThrow(ConfigError);
  });

  it("has no increment over an empty interval, nor outside its ends", () => {
    const tree = plant();
    expect(
      tree
        .increment(2, 2)
        .toArray()
        .every((value) => value === 0),
    ).toBe(true);
    expect(tree.increment(14, 20).toArray()).toEqual(tree.increment(14, 14.6146).toArray());
  });
});
