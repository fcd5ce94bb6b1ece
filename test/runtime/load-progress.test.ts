import { describe, expect, it } from "vitest";
import { CLIPTextModel, type LoadProgress, Tensor } from "../../src/index.js";
import { checkpoint } from "../helpers/fixtures.js";

const IDS = new Tensor("int64", [1, 77], new BigInt64Array(77));

async function load(device: "cpu" | "wasm", onLoadProgress: (progress: LoadProgress) => void): Promise<number> {
  await using encoder = await CLIPTextModel.fromPretrained(checkpoint("sd1-mini/text_encoder"), { device, onLoadProgress });
  await encoder.forward(IDS);
  // Loaded already.
  await encoder.forward(IDS);
  return encoder.weights.bytes;
}

describe.each(["cpu", "wasm"] as const)("a network that is loaded on %s", (device) => {
  it("tells how many of its bytes are loaded, from none to all", async () => {
    const events: LoadProgress[] = [];
    const bytes = await load(device, (progress) => events.push(progress));
    const [first, last] = [events[0], events.at(-1)];
    expect(first).toMatchObject({ network: "CLIPTextModel", loaded: 0 });
    expect(last).toEqual({ ...first, loaded: first?.total });
    expect(first?.total).toBeGreaterThan(0.5 * bytes);
    expect(first?.total).toBeLessThanOrEqual(bytes);
    const counts = events.map(({ loaded }) => loaded);
    expect(counts).toEqual(counts.toSorted((a, b) => a - b));
    // The native runtime maps files and does not tell what it reads.
    if (device === "cpu") expect(counts).toHaveLength(2);
    else expect(counts.length).toBeGreaterThan(2);
  });

  it("fails with what the callback throws", async () => {
    const stop = new Error("enough");
    const events: LoadProgress[] = [];
    const refused = load(device, (progress) => {
      events.push(progress);
      if (progress.loaded > 0) throw stop;
    });
    await expect(refused).rejects.toThrow("enough");
  });
});
