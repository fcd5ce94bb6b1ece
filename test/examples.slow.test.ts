import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { decode } from "fast-png";
import { describe, expect, it } from "vitest";
import { EMBEDDED_CHECKPOINT } from "../src/hub/embedded.js";
import { DiffusionPipeline } from "../src/pipelines/diffusion-pipeline.js";
import { UniPCMultistepScheduler } from "../src/schedulers/unipc-multistep.js";
import { readFixture } from "./helpers/fixtures.js";

const root = process.cwd();
const examples = readdirSync("examples").filter((name) => name.endsWith(".ts"));

function run(number: string): string[] {
  const { status, stdout, stderr } = spawnSync("node", ["scripts/example.mjs", number], { cwd: root, encoding: "utf8" });
  expect(status, stderr).toBe(0);
  return stdout
    .trim()
    .split("\n")
    .filter((line) => line.endsWith(".png"));
}

describe("the examples", () => {
  it.each(examples)("%s is at most 40 lines, runs out of the box and prints the pictures it wrote", (name) => {
    expect(readFileSync(join("examples", name), "utf8").trimEnd().split("\n").length).toBeLessThanOrEqual(40);
    const paths = run(name.slice(0, 2));
    expect(paths.length).toBeGreaterThan(0);
    for (const path of paths) expect(readFileSync(path).subarray(1, 4).toString()).toBe("PNG");
  });

  it("the loop without a prompt gives the picture that Python's tutorial gives", () => {
    const [path = ""] = run("02");
    const expected = readFixture("tensor", "tutorial").tensor("pixels");
    const { data } = decode(readFileSync(path));
    expect(data.length).toBe(expected.size);
    for (const [i, value] of expected.toArray().entries()) expect(Math.abs((data[i] as number) - value)).toBeLessThanOrEqual(1);
  });

  it("by hand gives the picture that the pipeline gives", async () => {
    const [path = ""] = run("05");
    const pipe = await DiffusionPipeline.fromPretrained(EMBEDDED_CHECKPOINT);
    pipe.scheduler = UniPCMultistepScheduler.fromConfig(pipe.scheduler.config);
    const { images } = await pipe.generate({
      prompt: "a red apple on a blue background",
      numInferenceSteps: 25,
      guidanceScale: 7.5,
      seed: 0,
    });
    await pipe.dispose();
    const { data } = decode(readFileSync(path));
    expect(data.length).toBe(images[0]?.data.length);
    // The pipeline computes once what guidance's two halves have in common, so the last bits of a value may differ.
    for (const [i, value] of data.entries()) expect(Math.abs(value - (images[0]?.data[i] ?? 0))).toBeLessThanOrEqual(1);
  });

  it("without a number lists them and exits with 2", () => {
    const { status, stderr } = spawnSync("node", ["scripts/example.mjs"], { encoding: "utf8" });
    expect(status).toBe(2);
    for (const name of examples) expect(stderr).toContain(name);
  });
});
