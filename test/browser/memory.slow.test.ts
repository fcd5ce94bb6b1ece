import { expect, it } from "vitest";
import { describeInBrowser, openPage } from "../../packages/page/test/e2e/browser.js";
import type { Engine } from "../../src/runtime/engine.js";
import { type Darkroom, enter, startSite } from "./site.js";

declare const darkroom: Darkroom;

describeInBrowser("memory of a page", () => {
  const site = startSite();

  it("is given back between the stages of a picture in low memory, and by dispose, which ends the workers", async () => {
    const page = await openPage();
    await enter(page, site);
    const { events, pictures } = await page.evaluate(async () => {
      const events: string[] = [];
      const make = async (lowMemory: boolean) => {
        const pipe = await darkroom.StableDiffusionPipeline.fromPretrained("/checkpoints/sd1-mini", { device: "wasm", lowMemory });
        const engine = Reflect.get(pipe.unet, "engine") as Engine;
        const load = engine.load.bind(engine);
        engine.load = async (...args) => {
          const session = await load(...args);
          if (lowMemory) events.push("load");
          const release = session.release.bind(session);
          session.release = () => {
            if (lowMemory) events.push("release");
            return release();
          };
          return session;
        };
        const { images } = await pipe.generate({ prompt: "a fox", numInferenceSteps: 2, height: 32, width: 32, seed: 1 });
        if (lowMemory) events.push("made");
        await pipe.dispose();
        return String(images[0]?.data);
      };
      return { pictures: [await make(false), await make(true)], events };
    });
    expect(pictures[1]).toBe(pictures[0]);
    // The text encoder, the UNet and the autoencoder, one after another.
    expect(events.join(" ")).toBe("load release load release load release made");
    await expect.poll(() => page.workers().length, { timeout: 10_000 }).toBe(0);
  });

  it("is given back when a picture is stopped between steps", async () => {
    const page = await openPage();
    await enter(page, site);
    const { stopped, steps, made } = await page.evaluate(async () => {
      const pipe = await darkroom.StableDiffusionPipeline.fromPretrained("/checkpoints/sd1-mini", { device: "wasm" });
      const stop = new AbortController();
      let steps = 0;
      const onStepEnd = () => {
        steps++;
        stop.abort(new Error("enough"));
      };
      const call = { prompt: "a fox", numInferenceSteps: 4, height: 32, width: 32, seed: 1 };
      const stopped = await pipe.generate({ ...call, onStepEnd, signal: stop.signal }).then(() => "made", String);
      // The pipeline lives on.
      const { images } = await pipe.generate({ ...call, numInferenceSteps: 1 });
      await pipe.dispose();
      return { stopped, steps, made: images.length };
    });
    expect({ stopped, steps, made }).toEqual({ stopped: "Error: enough", steps: 1, made: 1 });
    await expect.poll(() => page.workers().length, { timeout: 10_000 }).toBe(0);
  });

  it("that is full is an error that says what to lower, and the page lives on", async () => {
    const page = await openPage();
    await enter(page, site);
    const { refused, problem, size } = await page.evaluate(async () => {
      const { CLIPTextModel, Tensor } = darkroom;
      const encoder = await CLIPTextModel.fromPretrained("/checkpoints/sd1-mini/text_encoder", { device: "wasm" });
      const encode = (texts: number) => encoder.forward(new Tensor("int64", [texts, 77], new BigInt64Array(texts * 77)));
      const problemOf = (texts: number) =>
        encode(texts).then(
          () => undefined,
          ({ name, message, hint }) => ({ name, message, hint }),
        );
      // Values that are needed at the same time take 7.8 GB, so nothing is computed.
      const refused = await problemOf(2 ** 17);
      // They take 3.9 GB, and the runtime needs more beside them.
      const problem = await problemOf(2 ** 16);
      const { lastHiddenState } = await encode(1);
      await encoder.dispose();
      return { refused, problem, size: lastHiddenState.size };
    });
    expect(refused).toMatchObject({
      name: "MemoryError",
      message: expect.stringMatching(/needs at least .* GB of memory .* there are/),
      hint: expect.stringContaining("lowMemory: true"),
    });
    expect(problem).toMatchObject({
      name: "DeviceError",
      message: expect.stringContaining("memory is full"),
      hint: expect.stringMatching(/smaller picture .*lowMemory: true/),
    });
    expect(size).toBeGreaterThan(0);
  });
});
