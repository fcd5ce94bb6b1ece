import { expect, it } from "vitest";
import { describeKinds } from "../../bench/kinds.js";
import type { Result, Run } from "../../bench/results.js";

function result(contender: string, measurement: string, seconds: Result["seconds"]): Result {
  return { measurement, title: measurement, contender, seconds, memory: [] };
}

function run(kind: string | undefined, contenders: readonly string[], results: readonly Result[], rest: Partial<Run> = {}): Run {
  return {
    date: "2026-01-02T03:04:05.678Z",
    machine: { cpu: "A Processor", ...(kind !== undefined && { kind }), cores: 2, memoryGiB: 24, os: "An OS" },
    versions: {},
    checkpoint: "sd15",
    scale: "real",
    rounds: 1,
    repeats: 1,
    contenders,
    results,
    ...rest,
  };
}

const step = (contender: string, ...seconds: number[]) => result(contender, "unet", { "UNet step": seconds });
const cells = (table: string, start: string) =>
  (table.split("\n").find((line) => line.startsWith(`| ${start} `)) ?? expect.fail(`no line ${start} in\n${table}`))
    .split("|")
    .slice(1, -1)
    .map((cell) => cell.trim());

it("each kind has a line, with Darkroom's share of OpenVINO's time and of the fastest peer's", () => {
  const contenders = ["darkroom-exact", "darkroom-fast", "diffusers-bf16", "openvino-f32", "openvino-bf16"];
  const times = [3, 2, 5, 4, 2.5].map((seconds, i) => step(contenders[i] as string, seconds, seconds));
  const marks = (ready: number, first: number) => ({
    "cold start: imports": [0.1],
    "cold start: ready": [ready],
    "cold start: first step done": [first],
  });
  const starts = [result("darkroom-exact", "start", marks(0.5, 5)), result("openvino-f32", "start", marks(8, 10))];
  const [kind, exact, ofOpenVino, ofFastest, embedded, , start] = cells(
    describeKinds([run("amd-avx2", contenders, [...times, ...starts])]),
    "amd-avx2",
  );
  expect([kind, exact, ofOpenVino, ofFastest, embedded, start]).toEqual([
    "amd-avx2",
    "3.00 s",
    "0.75",
    "0.80 (openvino-bf16)",
    "",
    "0.50 (openvino-f32)",
  ]);
});

it("the run with most contenders counts, and the newest of several; others are left out", () => {
  const few = ["darkroom-exact", "openvino-f32"];
  const more = [...few, "diffusers-bf16"];
  const table = describeKinds([
    run("amd-avx2", more, [step("darkroom-exact", 1), step("openvino-f32", 1)], { date: "2026-01-01T00:00:00.000Z" }),
    run("amd-avx2", more, [step("darkroom-exact", 2), step("openvino-f32", 1)]),
    run("amd-avx2", few, [step("darkroom-exact", 9), step("openvino-f32", 1)], { date: "2026-02-02T00:00:00.000Z" }),
    run("intel-avx2", ["darkroom-exact", "darkroom-fast"], [step("darkroom-exact", 1)]),
    run("arm64", more, [step("darkroom-exact", 1)], { scale: "tiny" }),
    run(undefined, more, [step("darkroom-exact", 1)]),
  ]);
  expect(cells(table, "amd-avx2")[2]).toBe("2.00");
  // A head, a rule, the goals, and one kind.
  expect(table.split("\n")).toHaveLength(4);
});
