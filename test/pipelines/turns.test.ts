import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ArgumentError, DeviceError } from "../../src/errors.js";
import { StableDiffusionImg2ImgPipeline, StableDiffusionPipeline } from "../../src/index.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { checkpoint } from "../helpers/fixtures.js";

const FOX = { prompt: "a fox", numInferenceSteps: 3, guidanceScale: 1, height: 32, width: 32, seed: 1, outputType: "latent" } as const;
const open = (options = {}) =>
  StableDiffusionPipeline.fromPretrained(checkpoint("sd1-mini"), { device: "cpu", safetyChecker: null, ...options });

/** What happens, in its order. */
class Log {
  readonly entries: string[] = [];
  add = (entry: string) => void this.entries.push(entry);
}

describe("calls on one pipeline", () => {
  let pipe: StableDiffusionPipeline;
  beforeAll(async () => {
    pipe = await open();
  });
  afterAll(() => pipe.dispose());

  const watch = async (log: Log, name: string, by = pipe) => {
    for await (const { index } of by.steps(FOX)) log.add(`${name}${index}`);
    log.add(`${name} done`);
  };

  it("run one after another, in the order of the calls", async () => {
    const log = new Log();
    await Promise.all(["a", "b", "c"].map((name) => watch(log, name)));
    const expected = ["a", "b", "c"].flatMap((name) => [
      ...Array.from({ length: log.entries.length / 3 - 1 }, (_, i) => `${name}${i}`),
      `${name} done`,
    ]);
    expect(log.entries).toEqual(expected);
    expect([pipe.queue.running, pipe.queue.waiting]).toEqual([0, 0]);
  });

  it("take turns step by step if concurrency is above 1", async () => {
    const own = await open({ concurrency: 2 });
    try {
      const log = new Log();
      await Promise.all(["a", "b", "c"].map((name) => watch(log, name, own)));
      expect(log.entries.indexOf("b0")).toBeLessThan(log.entries.indexOf("a done"));
      expect(log.entries.indexOf("c0")).toBeGreaterThan(Math.min(log.entries.indexOf("a done"), log.entries.indexOf("b done")));
      own.queue.concurrency = Number.POSITIVE_INFINITY;
      expect(own.queue.concurrency).toBe(Number.POSITIVE_INFINITY);
    } finally {
      await own.dispose();
    }
  });

  it.each([0, 1.5, Number.NaN, "2"])("refuse a concurrency of %j", async (concurrency) => {
    const message = /^concurrency is .*; expected a whole number, at least 1, or Infinity$/;
    await expect(open({ concurrency })).rejects.toThrow(message);
    expect(() => Object.assign(pipe.queue, { concurrency })).toThrow(ArgumentError);
    expect(pipe.queue.concurrency).toBe(1);
  });

  it("know their place in the queue", async () => {
    const runs = [pipe.steps(FOX), pipe.steps(FOX), pipe.steps(FOX)] as const;
    expect(runs.map(({ position }) => position)).toEqual([undefined, undefined, undefined]);
    const begun = runs.map((run) => run.next());
    await begun[0];
    expect(runs.map(({ position }) => position)).toEqual([0, 1, 2]);
    expect([pipe.queue.running, pipe.queue.waiting]).toEqual([1, 2]);
    await runs[0].return({} as never);
    await begun[1];
    expect(runs.map(({ position }) => position)).toEqual([undefined, 0, 1]);
    await runs[1].return({} as never);
    await begun[2];
    await runs[2].return({} as never);
    expect([pipe.queue.running, pipe.queue.waiting]).toEqual([0, 0]);
  });

  it("have left the queue when their result is ready", async () => {
    const run = pipe.steps(FOX);
    await run.result;
    expect([run.position, pipe.queue.running]).toEqual([undefined, 0]);
  });

  it("leave the queue at once when they are aborted, with the signal's reason", async () => {
    const log = new Log();
    const first = watch(log, "first");
    const controller = new AbortController();
    const cancelled = pipe.generate({ ...FOX, signal: controller.signal });
    const last = watch(log, "last");
    const reason = new Error("the client has gone");
    setTimeout(() => controller.abort(reason));
    await expect(cancelled).rejects.toBe(reason);
    expect(log.entries).not.toContain("first done");
    expect(pipe.queue.waiting).toBe(1);
    await Promise.all([first, last]);
  });

  it("leave the queue at once if the loop is left before their turn", async () => {
    const first = pipe.steps(FOX);
    await first.next();
    const second = pipe.steps(FOX);
    const step = second.next();
    await second.return({} as never);
    await expect(step).rejects.toMatchObject({ name: "AbortError" });
    await expect(second.result).rejects.toMatchObject({ name: "AbortError" });
    expect(pipe.queue.waiting).toBe(0);
    await first.return({} as never);
  });

  it("are checked before they wait", async () => {
    const first = pipe.steps(FOX);
    await first.next();
    await expect(pipe.generate({ ...FOX, numInferenceSteps: 0 })).rejects.toThrow(ArgumentError);
    expect(first.position).toBe(0);
    await first.return({} as never);
  });

  it("do not wait for a loop that requests no further step; its picture is the same when it goes on", async () => {
    const expected = (await pipe.generate(FOX)).images;
    const slow = pipe.steps(FOX);
    await slow.next();
    await pipe.generate({ ...FOX, seed: 2 });
    expect(slow.position).toBe(undefined);
    for await (const { index } of slow) expect(index).toBeGreaterThan(0);
    expect((await slow.result).images.toArray()).toEqual(expected.toArray());
  });

  it("give up their turn when the loop is left, by break or by an error", async () => {
    for await (const _ of pipe.steps(FOX)) break;
    const fails = async () => {
      for await (const _ of pipe.steps(FOX)) throw new Error("in the loop");
    };
    await expect(fails()).rejects.toThrow("in the loop");
    expect([pipe.queue.running, pipe.queue.waiting]).toEqual([0, 0]);
  });

  it("wait in one queue if pipelines share their UNet", async () => {
    const other = new StableDiffusionImg2ImgPipeline({ ...pipe });
    expect(other.queue).toBe(pipe.queue);
    const run = pipe.steps(FOX);
    await run.next();
    const { height: _height, width: _width, ...request } = FOX;
    const changed = other.generate({ ...request, image: Tensor.zeros([1, 4, 16, 16]) });
    await new Promise((resolve) => setTimeout(resolve));
    expect(pipe.queue.waiting).toBe(1);
    await run.return({} as never);
    expect((await changed).images.shape).toEqual([1, 4, 16, 16]);
  });

  it("that wait fail at once when the pipeline is disposed", async () => {
    const own = await open();
    const first = own.steps(FOX);
    await first.next();
    const waiting = [own.generate(FOX), own.generate(FOX)];
    const outcomes = Promise.allSettled(waiting);
    await own.dispose();
    for (const outcome of await outcomes) {
      expect(outcome).toMatchObject({ status: "rejected", reason: new DeviceError("the pipeline or model was disposed") });
    }
    await expect(first.next()).rejects.toThrow(DeviceError);
    await expect(own.generate(FOX)).rejects.toThrow(DeviceError);
  });
});

describe("a run's result", () => {
  let pipe: StableDiffusionPipeline;
  beforeAll(async () => {
    pipe = await open();
  });
  afterAll(() => pipe.dispose());

  it("takes the steps itself if it is awaited without a loop", async () => {
    const { images } = await pipe.steps(FOX).result;
    expect(images.toArray()).toEqual((await pipe.generate(FOX)).images.toArray());
  });

  it("is a promise like others: then, catch and finally take the steps, too", async () => {
    const run = pipe.steps(FOX);
    expect(run.result).toBeInstanceOf(Promise);
    const seen: string[] = [];
    await run.result.finally(() => seen.push("finally")).then(() => seen.push("then"));
    expect(seen).toEqual(["finally", "then"]);
    await expect(pipe.steps({ ...FOX, numInferenceSteps: 0 }).result.catch((error: Error) => error.name)).resolves.toBe("ArgumentError");
  });

  it("waits for the loop if there is one, whichever began first", async () => {
    const run = pipe.steps(FOX);
    const steps: number[] = [];
    const loop = async () => {
      for await (const { index } of run) steps.push(index);
    };
    const [result] = await Promise.all([run.result, loop()]);
    expect(result).toBe(await run.result);
    expect(steps[0]).toBe(0);
  });

  it("that is never awaited computes nothing and causes no error", async () => {
    const runs = [pipe.steps(FOX), pipe.steps({ ...FOX, numInferenceSteps: 0 })];
    const results = runs.map(({ result }) => result);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(results).toHaveLength(2);
    expect([pipe.queue.running, pipe.queue.waiting]).toEqual([0, 0]);
  });

  it("fails with the signal's reason, whether a loop or the result takes the steps", async () => {
    const reason = new Error("stop");
    await expect(pipe.steps({ ...FOX, signal: AbortSignal.abort(reason) }).result).rejects.toBe(reason);
    const controller = new AbortController();
    const run = pipe.steps({ ...FOX, signal: controller.signal });
    await run.next();
    controller.abort(reason);
    await expect(run.next()).rejects.toBe(reason);
    await expect(run.result).rejects.toBe(reason);
  });

  it("fails with an AbortError if the loop is left, before or after its first step", async () => {
    const left = pipe.steps(FOX);
    for await (const _ of left) break;
    await expect(left.result).rejects.toMatchObject({ name: "AbortError" });
    const unused = pipe.steps(FOX);
    await unused.return({} as never);
    await expect(unused.result).rejects.toMatchObject({ name: "AbortError" });
  });

  it("fails with the error that is thrown into the run", async () => {
    const run = pipe.steps(FOX);
    await run.next();
    const error = new Error("enough");
    await expect(run.throw(error)).rejects.toBe(error);
    await expect(run.result).rejects.toBe(error);
  });

  it("and a second loop are refused: steps are taken once", async () => {
    const loop = async (run: AsyncIterable<unknown>) => {
      for await (const _ of run);
    };
    const twice = pipe.steps(FOX);
    const [first, second] = await Promise.allSettled([loop(twice), loop(twice)]);
    expect(first.status).toBe("fulfilled");
    expect(second).toMatchObject({ status: "rejected", reason: { name: "ArgumentError" } });
    expect(String((second as PromiseRejectedResult).reason)).toContain("a run's steps can be taken once; a loop already takes them");
    const awaited = pipe.steps(FOX);
    await awaited.result;
    await expect(loop(awaited)).rejects.toThrow("a run's steps can be taken once; its result already takes them");
  });
});
