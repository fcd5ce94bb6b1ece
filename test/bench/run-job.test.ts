import { describe, expect, it } from "vitest";
import { compare } from "../../bench/compare.js";
import { type Contender, isFor, peersOf } from "../../bench/contenders.js";
import { jobOn, type Measurement, measurements, zImageMeasurements } from "../../bench/measurements.js";
import { runJob } from "../../bench/run-job.js";

const JOB = jobOn("unet", "/nowhere", 64);

/** A contender that runs `script`. In it, `job` is the job and `tell` reports. */
function contender(script: string, rest: Partial<Contender> = {}): Contender {
  const preamble = "const job = JSON.parse(process.argv.at(-1)); const tell = (report) => console.log(JSON.stringify(report));";
  const command = [process.execPath, "-e", `${preamble} ${script}`, "--"] as const;
  return { name: "a", command, options: {}, tasks: ["unet"], onlyRealSizes: false, ...rest };
}

const call = (seconds: string) => `tell({ event: "call", seconds: ${seconds} });`;

describe("a measured process", () => {
  it("gets the job and the contender's options, and its reports are read", async () => {
    const script = `${call("job.latents")} tell({ event: "mark", name: job.options.word }); tell({ event: "versions", versions: { a: "1" } })`;
    const { calls, marks, versions, failure, lifetime } = await runJob(contender(script, { options: { word: "ready" } }), JOB);
    expect({ calls, versions, failure }).toEqual({ calls: [8], versions: { a: "1" }, failure: undefined });
    expect(marks.ready).toBeGreaterThan(0);
    expect(lifetime).toBeGreaterThanOrEqual(marks.ready ?? Number.POSITIVE_INFINITY);
  });

  it("may print other lines than reports", async () => {
    const { calls } = await runJob(contender(`console.log("loading..."); console.log("[1]"); ${call("1")}`), JOB);
    expect(calls).toEqual([1]);
  });

  it("that says why it failed is quoted", async () => {
    const script = `tell({ event: "failed", reason: "no such part" }); process.exitCode = 1`;
    expect((await runJob(contender(script), JOB)).failure).toBe("no such part");
  });

  it("that dies without a report has failed with the last line of its stderr", async () => {
    const { failure } = await runJob(contender(`console.error("one\\nout of memory"); process.exit(3)`), JOB);
    expect(failure).toBe("ended with 3: out of memory");
  });

  it("that cannot be started has failed", async () => {
    const { failure } = await runJob(contender("", { command: ["/no/such/program"] }), JOB);
    expect(failure).toContain("ENOENT");
  });

  it.runIf(process.platform === "linux")("is measured with its children's memory", async () => {
    const child = "const held = Buffer.alloc(2 ** 27, 1); setTimeout(() => held, 800)";
    const script = `require("node:child_process").spawn(process.execPath, ["-e", ${JSON.stringify(child)}])`;
    const alone = await runJob(contender("setTimeout(() => {}, 100)"), JOB);
    const { memory } = await runJob(contender(script), JOB);
    expect((memory?.anonymous ?? 0) - (alone.memory?.anonymous ?? 0)).toBeGreaterThan(128);
  });
});

describe("a comparison", () => {
  const measurement: Measurement = { name: "unet", title: "UNet", isEmbedded: false, job: JOB, rows: { UNet: ({ calls }) => calls } };
  const settings = { checkpoint: "sd15", scale: "tiny", repeats: 1, measurements: [measurement] } as const;

  it("lets contenders take turns, each round beginning with another, and keeps every time", async () => {
    const contenders = ["a", "b"].map((name) => contender(call("Date.now()"), { name }));
    const { results } = await compare({ ...settings, rounds: 2, contenders }, () => {});
    const times = results.flatMap(({ contender, seconds }) => (seconds.UNet ?? []).map((at) => ({ contender, at })));
    const order = times.sort((one, other) => one.at - other.at).map(({ contender }) => contender);
    expect(order).toEqual(["a", "b", "b", "a"]);
  });

  it("continues without a contender that failed", async () => {
    const contenders = [contender(`${call("1")} process.exit(2)`, { name: "a" }), contender(call("2"), { name: "b" })];
    const seen: string[] = [];
    const { results } = await compare({ ...settings, rounds: 2, contenders }, ({ results }) => seen.push(JSON.stringify(results)));
    expect(results.map(({ seconds }) => seconds)).toEqual([{}, { UNet: [2, 2] }]);
    expect(results[0]?.failure).toContain("ended with 2");
    expect(seen).toHaveLength(3);
  });

  it("prepares a contender once for a checkpoint; if that fails, nothing is measured", async () => {
    const script = `if (job.task === "prepare") tell({ event: "failed", reason: "no converter" }); else ${call("1")}`;
    const contenders = [contender(script, { tasks: ["prepare", "unet"] })];
    const { results } = await compare({ ...settings, rounds: 1, contenders }, () => {});
    expect(results).toMatchObject([{ failure: "no converter", seconds: {} }]);
  });
});

describe("what is measured", () => {
  const all = measurements({ checkpoint: "/checkpoints/sd15", size: 512, repeats: 2, steps: 20 });

  it("includes the embedded checkpoint, with its own sizes", () => {
    const embedded = all.filter(({ isEmbedded }) => isEmbedded);
    expect(embedded.map(({ name }) => name)).toEqual(["small-unet", "small-start", "small-end-to-end"]);
    for (const { job } of embedded) expect(job).toMatchObject({ size: 128, latents: 16, tokens: 32, steps: 20 });
  });

  it("is the transformer's pass for Z-Image, which peers measure that can open it", () => {
    const names = zImageMeasurements({ checkpoint: "/z-image", size: 512, tokens: 64, repeats: 1, steps: 1 }).map(({ name }) => name);
    expect(names).toEqual(["transformer", "vae-decode", "start", "end-to-end"]);
    expect(peersOf("z-image")).toEqual(["diffusers-fp32", "diffusers-bf16"]);
    expect(peersOf("z-image-full")).toEqual(["sd-cpp-q8", "sd-cpp-q4"]);
    expect(peersOf("sd15")).toContain("openvino-f32");
  });

  it("has a row for each time, and no two of one title", () => {
    const rows = all.flatMap((each) => Object.keys(each.rows));
    expect(new Set(rows).size).toBe(rows.length);
  });

  it("is run only by contenders that support it", () => {
    const fussy = contender("", { tasks: ["unet", "picture"], onlyRealSizes: true });
    const names = (scale: "real" | "tiny") => all.filter((each) => isFor(fussy, each, scale)).map(({ name }) => name);
    expect(names("real")).toEqual(["unet", "end-to-end"]);
    expect(names("tiny")).toEqual([]);
  });
});
