import { readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { cores } from "../../src/worker/cores.js";
import { FakeRun, jobOf } from "./doubles.js";
import { child, handlerOf } from "./helpers.js";

const request = { prompt: "a panda", numInferenceSteps: 1 };

describe("threads of the models' processes", () => {
  it.each([
    [{ slots: 2 }, String(Math.max(1, Math.floor(cores() / 2)))],
    [{ slots: 1000 }, "1"],
    [{ slots: 2, threads: 5 }, "5"],
    [{ slots: 1, threads: 5 }, "5"],
    // A process alone takes all cores in its own way.
    [{ slots: 1 }, undefined],
  ])("are a share of the cores with %j", async (options, threads) => {
    const { handler } = handlerOf({ ...options, entry: child("fake") });
    const { settings } = await handler(jobOf(request), new FakeRun());
    expect(settings.threads).toBe(threads);
  });

  it.each([{ slots: 0 }, { slots: 1.5 }, { threads: 0 }, { threads: Number.NaN }])("are refused with %j", (options) => {
    expect(() => handlerOf(options)).toThrow(/^(slots|threads) is .*; expected a whole number, at least 1$/);
  });

  it.runIf(process.platform === "linux")("are as many as they are told to be", async () => {
    const threadsOf = async (threads: number) => {
      const { handler } = handlerOf({ threads });
      await handler(jobOf(request), new FakeRun());
      return readdirSync(`/proc/${handler.status()[0]?.pid}/task`).length;
    };
    const [one, four] = [await threadsOf(1), await threadsOf(4)];
    // Every network has its own: three more for each.
    expect(four - one).toBeGreaterThanOrEqual(3);
    expect((four - one) % 3).toBe(0);
  });
});

describe("cores", () => {
  it("count once, though two threads share each", () => {
    expect(cores(() => "0-63\n")).toBe(1);
    let i = 0;
    expect(cores(() => `${i++}\n`)).toBe(i);
  });

  it("are what the system says where it does not tell more", () => {
    const missing = () => {
      throw new Error("ENOENT");
    };
    expect(cores(missing)).toBeGreaterThanOrEqual(1);
  });
});
