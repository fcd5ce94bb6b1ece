import { resolveScheduler } from "darkroom";
import { describe, expect, it } from "vitest";
import { SAMPLERS, SPACINGS } from "../../../src/http/a1111/sampler-table.js";
import { chooseSampler } from "../../../src/http/a1111/samplers.js";
import { HttpError } from "../../../src/http/http-error.js";
import { contract } from "./recordings.js";

interface Table {
  readonly samplers: { name: string; aliases: string[]; automatic: string; class: string | null; overrides: object; note: string }[];
  readonly schedulers: { name: string; label: string; overrides: object | null }[];
  readonly notTaken: { sampler: string; scheduler: string; class: string; fields: string[] }[];
}

const table = contract<Table>("samplers");

function refusal(work: () => unknown): HttpError {
  try {
    work();
  } catch (error) {
    if (error instanceof HttpError) return error;
  }
  throw new Error("nothing was refused");
}

describe("the table of samplers", () => {
  it.each(table.samplers)("has $name as the contract has it", ({ name, aliases, automatic, class: className, overrides }) => {
    const sampler = SAMPLERS.find((each) => each.name === name);
    expect(sampler).toMatchObject({ name, aliases, automatic });
    expect(sampler?.className).toBe(className ?? undefined);
    // DDIM's own spacing is a note there.
    expect(sampler?.overrides ?? {}).toMatchObject(overrides);
  });

  it("has the contract's schedulers", () => {
    expect(SPACINGS.map(({ name, label, overrides = null }) => ({ name, label, overrides }))).toEqual(
      table.schedulers.map(({ name, label, overrides }) => ({ name, label, overrides })),
    );
  });
});

describe("a sampler", () => {
  const pairs = SAMPLERS.flatMap(({ name }) => SPACINGS.map((spacing) => [name, spacing] as const));

  it.each(pairs.filter(([, { name, overrides }]) => name === "automatic" || overrides))(
    "%s opens its class with $name",
    (name, { name: scheduler }) => {
      const { request } = chooseSampler(name, scheduler);
      const { class: type } = resolveScheduler(request.scheduler ?? "");
      const { timestepSpacing, schedulerConfig } = request;
      const given = { ...(timestepSpacing && { timestepSpacing }), ...schedulerConfig };
      expect(Object.keys(type.schema.entries)).toEqual(expect.arrayContaining(Object.keys(given)));
      expect(type.fromConfig({}, given).config).toMatchObject(given);
    },
  );

  it.each(table.notTaken)("$sampler warns that it does not take $scheduler", ({ sampler, scheduler }) => {
    expect(chooseSampler(sampler, scheduler).warnings).toContainEqual(expect.stringMatching(/^scheduler .* has no effect: /));
  });

  it("takes all other pairs without that warning, unless the web UI's own ignores the scheduler", () => {
    const isNotTaken = (sampler: string, scheduler: string) =>
      table.notTaken.some((each) => each.sampler === sampler && each.scheduler === scheduler);
    for (const { name, ignoresScheduler } of SAMPLERS) {
      for (const { name: scheduler, overrides } of SPACINGS) {
        if (ignoresScheduler || !overrides || isNotTaken(name, scheduler)) continue;
        expect(
          chooseSampler(name, scheduler).warnings.filter((each) => each.includes("no effect")),
          `${name} ${scheduler}`,
        ).toEqual([]);
      }
    }
  });

  it.each([
    ["DPM++ 2M", undefined, { scheduler: "DPMSolverMultistepScheduler", schedulerConfig: { useKarrasSigmas: true } }],
    ["DPM++ 2M", "automatic", { scheduler: "DPMSolverMultistepScheduler", schedulerConfig: { useKarrasSigmas: true } }],
    ["DPM++ 2M", "SGM Uniform", { scheduler: "DPMSolverMultistepScheduler", timestepSpacing: "trailing" }],
    ["DPM++ 2M Exponential", undefined, { scheduler: "DPMSolverMultistepScheduler", schedulerConfig: { useExponentialSigmas: true } }],
    ["DPM++ 2M Karras", "beta", { scheduler: "DPMSolverMultistepScheduler", schedulerConfig: { useBetaSigmas: true } }],
    ["dpm++ 2m sde karras", "Automatic", { schedulerConfig: { algorithmType: "sde-dpmsolver++", useKarrasSigmas: true } }],
    ["k_euler_ancestral", undefined, { scheduler: "EulerAncestralDiscreteScheduler", timestepSpacing: "linspace" }],
    ["Euler", undefined, { scheduler: "EulerDiscreteScheduler", timestepSpacing: "linspace" }],
    ["DDIM", undefined, { scheduler: "DDIMScheduler", timestepSpacing: "leading", schedulerConfig: { stepsOffset: 1 } }],
    ["DPM++ 2S a Karras", undefined, { scheduler: "DPMPP2SAncestralScheduler", schedulerConfig: { useKarrasSigmas: true } }],
    ["Restart", "uniform", { scheduler: "RestartScheduler", timestepSpacing: "linspace" }],
    ["DPM fast", undefined, { scheduler: "DPMFastScheduler", schedulerConfig: { eta: 1 } }],
    ["DDIM CFG++", "karras", { scheduler: "DDIMCFGPPScheduler", timestepSpacing: "leading", schedulerConfig: { stepsOffset: 1 } }],
    ["Euler a CFG++", undefined, { scheduler: "EulerCFGPPScheduler", schedulerConfig: { eta: 1 } }],
    ["UniPC", "karras", { scheduler: "UniPCMultistepScheduler", schedulerConfig: { solverType: "bh1", solverOrder: 3 } }],
  ])("%s with scheduler %s is %j", (sampler, scheduler, expected) => {
    expect(chooseSampler(sampler, scheduler).request).toMatchObject(expected);
  });

  it("is the model's own scheduler where none is named", () => {
    expect(chooseSampler(undefined, undefined)).toEqual({ name: undefined, request: {}, warnings: [] });
    expect(chooseSampler("", "karras").warnings).toEqual(['scheduler "karras" has no effect without a sampler_name']);
  });

  it("warns where the class or the scheduler is only near, or unusual", () => {
    expect(chooseSampler("DPM adaptive", undefined).warnings).toEqual(["sampler DPM adaptive: it chooses its number of steps itself"]);
    expect(chooseSampler("LCM", "simple").warnings).toEqual(["scheduler Simple: the nearest here is SGM Uniform"]);
    expect(chooseSampler("LCM", "turbo")).toMatchObject({
      request: { scheduler: "LCMScheduler" },
      warnings: [expect.stringMatching(/^scheduler Turbo has no effect: LCMScheduler.* cannot take its noise levels$/)],
    });
    expect(chooseSampler("DPM2", "KL Optimal").warnings).toEqual([expect.stringMatching(/^scheduler KL Optimal has no effect/)]);
  });

  it.each([
    ["Euler", "simple", "simple"],
    ["DPM++ 2M", "KL Optimal", "kl-optimal"],
    ["DPM++ 2M SDE Align Your Steps", undefined, "align-your-steps"],
    ["DPM2 a", "align_your_steps_32", "align-your-steps-32"],
    ["Euler a", "Turbo", "turbo"],
  ])("gives noise levels by name: %s, %s", (sampler, scheduler, schedule) => {
    expect(chooseSampler(sampler, scheduler)).toMatchObject({ request: { schedule }, warnings: [] });
    expect(chooseSampler(sampler, scheduler).request).not.toHaveProperty("timestepSpacing");
  });

  it.each([
    ["Eulr", undefined, 'Sampler not found: this server has none called "Eulr"', "take Euler"],
    ["Euler", "karas", 'Scheduler not found: this server has none called "karas"', "take Karras"],
    ["nope", undefined, 'Sampler not found: this server has none called "nope"', expect.stringMatching(/^it has .*Euler a.*DDIM/)],
    ["Euler", "zzz", 'Scheduler not found: this server has none called "zzz"', expect.stringMatching(/^it has .*Karras/)],
  ])("%s with scheduler %s is refused by name, with the nearest", (sampler, scheduler, message, hint) => {
    expect(refusal(() => chooseSampler(sampler, scheduler))).toMatchObject({ status: 400, message, hint });
  });
});
