import { mkdtemp, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Workflow } from "darkroom/generate";
import { describe, expect, it } from "vitest";
import { here, type OpenedWorkflow, OpenWorkflows } from "../../src/worker/open-workflows.js";

const GROWTH = 40;

/** Workflows that are nothing but 40 bytes of memory. */
function table(budget: number, { expected = 0, growth = GROWTH, isHoarding = false } = {}) {
  const done: string[] = [];
  const stamps = new Map<string, number>();
  let used = 10;
  const workflows = new OpenWorkflows(budget, {
    open: async ({ model }) => {
      done.push(`open ${model}`);
      used += growth;
      const dispose = async () => {
        done.push(`close ${model}`);
        if (!isHoarding) used -= growth;
      };
      return { dispose } as Workflow;
    },
    memory: () => used,
    stamp: async ({ model }) => `${stamps.get(String(model))}`,
    expect: async () => expected,
    warningsOf: async (work) => [await work(), ["it is old"]],
  });
  const use = (model: string, work: (opened: OpenedWorkflow) => Promise<unknown> = async () => undefined, key = model) =>
    workflows.use(model, { model: key }, {}, work);
  return { workflows, use, done, stamps };
}

describe("the open workflows of a process", () => {
  it("are opened once for each opening", async () => {
    const { workflows, use, done } = table(200);
    await use("a");
    await use("a");
    await use("a", undefined, "a with a LoRA");
    expect(done).toEqual(["open a", "open a with a LoRA"]);
    expect(workflows.models).toEqual(["a"]);
  });

  it("are opened again when a file was replaced", async () => {
    const { use, done, stamps } = table(200);
    await use("a");
    stamps.set("a", 1);
    await use("a");
    expect(done).toEqual(["open a", "open a"]);
  });

  it("know by its time that a file was replaced", async () => {
    const folder = await mkdtemp(join(tmpdir(), "darkroom-stamp-"));
    const file = join(folder, "ink.safetensors");
    await writeFile(file, "");
    const opening = { model: "owner/fox", loras: [{ name: "ink", source: file }] };
    const before = await here.stamp(opening);
    expect(await here.stamp(opening)).toBe(before);
    await utimes(file, 1, 1);
    expect(await here.stamp(opening)).not.toBe(before);
    await rm(folder, { recursive: true });
  });

  it("are closed when memory is over the budget, the least recently used one first", async () => {
    const { workflows, use, done } = table(100);
    for (const model of ["a", "b", "a", "c"]) await use(model);
    expect(done).toEqual(["open a", "open b", "open c", "close b"]);
    expect(workflows.models).toEqual(["a", "c"]);
  });

  it("are closed before another is opened that will not fit", async () => {
    const { use, done } = table(100, { expected: 30 });
    for (const model of ["a", "b", "c"]) await use(model);
    expect(done).toEqual(["open a", "open b", "close a", "open c"]);
  });

  it("count with the bytes of their files if they are in a GPU's memory", async () => {
    const { use, done } = table(100, { expected: 45, growth: 0 });
    for (const model of ["a", "b", "c"]) await use(model);
    expect(done).toEqual(["open a", "open b", "close a", "open c"]);
  });

  it("keep the one in use, even if it does not fit", async () => {
    const { workflows, use, done } = table(20);
    await use("a");
    expect(done).toEqual(["open a"]);
    expect(workflows.models).toEqual(["a"]);
  });

  it("are not all closed if the process does not give memory back", async () => {
    const { use, done } = table(100, { isHoarding: true });
    for (const model of ["a", "b", "c"]) await use(model);
    expect(done).toEqual(["open a", "open b", "open c", "close a"]);
  });

  it("tell every job what opening warned of", async () => {
    const { use } = table(100);
    const warnings: unknown[] = [];
    for (let i = 0; i < 2; i++) await use("a", async (opened) => warnings.push(opened.warnings));
    expect(warnings).toEqual([["it is old"], ["it is old"]]);
  });

  it("stay open after a job that failed", async () => {
    const { use, done } = table(100);
    await expect(use("a", () => Promise.reject(new Error("too wide")))).rejects.toThrow("too wide");
    await use("a");
    expect(done).toEqual(["open a"]);
  });
});
