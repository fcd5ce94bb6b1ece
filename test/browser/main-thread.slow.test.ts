import type { Page } from "playwright-core";
import { expect, it } from "vitest";
import { describeInBrowser, openPage } from "../../packages/page/test/e2e/browser.js";
import type { Engine } from "../../src/runtime/engine.js";
import type { Transport } from "../../src/runtime/transport.js";
import { type Darkroom, enter, startSite } from "./site.js";

declare const darkroom: Darkroom;

/** Milliseconds of a task of which a user sees nothing. */
const LONGEST = 50;

/** Events of Chromium's trace, as far as they are used here. Times are in microseconds. */
interface TraceEvent {
  readonly name: string;
  readonly cat: string;
  readonly pid: number;
  readonly tid: number;
  readonly ts: number;
  readonly dur?: number;
  /** Time of the processor: what other programs of the machine take does not count. */
  readonly tdur?: number;
}

/** The tasks of the page's thread while `work` runs, with the last mark before each. */
async function tasksOf(page: Page, work: () => Promise<void>): Promise<{ readonly after: string; readonly time: number }[]> {
  const browser = page.context().browser();
  await browser?.startTracing(page, { categories: ["disabled-by-default-devtools.timeline", "toplevel", "blink.user_timing"] });
  await work();
  const trace = JSON.parse(String(await browser?.stopTracing())) as { readonly traceEvents: readonly TraceEvent[] };
  const marks = trace.traceEvents
    .filter(({ cat, name }) => cat.includes("blink.user_timing") && name.startsWith("# "))
    .sort((a, b) => a.ts - b.ts);
  const [first] = marks;
  return trace.traceEvents
    .filter(({ name, pid, tid, ts }) => name === "RunTask" && pid === first?.pid && tid === first.tid && ts >= first.ts)
    .map(({ ts, tdur = 0 }) => ({ after: marks.findLast((mark) => mark.ts <= ts)?.name ?? "", time: tdur / 1000 }));
}

/**
 * To be called in a page: lets an engine's worker do nothing, so that only the page's own work takes time. Its networks answer with zeros
 * after a while.
 */
async function idle(engine: Engine): Promise<void> {
  const load = engine.load.bind(engine);
  const pause = () => new Promise((resolve) => setTimeout(resolve, 30));
  engine.load = async (graph, options) => {
    performance.mark(`# encoding ${graph.model.nodes.length} nodes`);
    const session = await load(graph, options);
    performance.mark(`# loaded ${graph.model.nodes.length} nodes`);
    const run = async () => {
      await pause();
      performance.mark(`# ran ${graph.model.nodes.length} nodes`);
      return Object.fromEntries(graph.model.outputs.map(({ name, shape }) => [name, darkroom.Tensor.zeros(shape)]));
    };
    return { ...session, run };
  };
  const { transport } = Reflect.get(engine, "running") as { transport: Transport };
  transport.ask = async () => {
    await pause();
    return { session: 1 };
  };
}

describeInBrowser("the thread of a page", () => {
  const site = startSite();

  it("is taken for short tasks only from opening a checkpoint to the file of a picture of 512x512", async () => {
    const page = await openPage();
    await enter(page, site);
    const tasks = await tasksOf(page, async () => {
      await page.evaluate(`globalThis.idle = ${idle}`);
      await page.evaluate(async () => {
        performance.mark("# opening");
        const pipe = await darkroom.StableDiffusionPipeline.fromPretrained("/checkpoints/sd1-mini", { device: "wasm" });
        await (globalThis as unknown as { idle: typeof idle }).idle(Reflect.get(pipe.unet, "engine"));
        performance.mark("# the prompt");
        const { images } = await pipe.generate({ prompt: "a fox", numInferenceSteps: 2, height: 512, width: 512, seed: 1 });
        performance.mark("# PNG");
        await images[0]?.toBlob();
        performance.mark("# end");
      });
    });
    expect(tasks.length).toBeGreaterThan(20);
    expect(tasks.filter(({ time }) => time > LONGEST)).toEqual([]);
  });
});
