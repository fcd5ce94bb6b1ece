import { describe, expect, it } from "vitest";
import { ArgumentError } from "../../src/errors.js";
import { EulerDiscreteScheduler } from "../../src/schedulers/euler-discrete.js";
import { FlowMatchEulerDiscreteScheduler } from "../../src/schedulers/flow-match-euler-discrete.js";
import { schedulerFor } from "../../src/schedulers/registry.js";

describe("a scheduler by name, for a checkpoint of flow matching", () => {
  const own = new FlowMatchEulerDiscreteScheduler({ shift: 3 });

  it.each([
    ["euler", "FlowMatchEulerDiscreteScheduler", { shift: 3 }],
    ["euler-karras", "FlowMatchEulerDiscreteScheduler", { shift: 3, useKarrasSigmas: true }],
    ["heun", "FlowMatchHeunDiscreteScheduler", { shift: 3 }],
    ["lcm", "FlowMatchLCMScheduler", { shift: 3 }],
    ["dpm++-2m", "DPMSolverMultistepScheduler", { useFlowSigmas: true, predictionType: "flow_prediction", flowShift: 3 }],
    ["unipc", "UniPCMultistepScheduler", { useFlowSigmas: true, predictionType: "flow_prediction", flowShift: 3 }],
    ["FlowMatchHeunDiscreteScheduler", "FlowMatchHeunDiscreteScheduler", { shift: 3 }],
  ])("%s is %s with the shift of its noise levels", (name, className, config) => {
    const scheduler = schedulerFor(name, own);
    expect(scheduler.className).toBe(className);
    expect(scheduler.config).toMatchObject(config);
  });

  it("follows the flow after a second change, too", () => {
    const second = schedulerFor("deis", schedulerFor("dpm++-2m", own));
    expect(second.config).toMatchObject({ useFlowSigmas: true, flowShift: 3 });
  });

  it.each(["ddim", "pndm", "euler-a"])("%s, which cannot follow a flow, is refused", (name) => {
    expect(() => schedulerFor(name, own)).toThrow(ArgumentError);
    expect(() => schedulerFor(name, own)).toThrow(/flow matching/);
  });

  it("changes nothing for other checkpoints", () => {
    const scheduler = schedulerFor("dpm++-2m", new EulerDiscreteScheduler({}));
    expect(scheduler.config).toMatchObject({ useFlowSigmas: false, predictionType: "epsilon" });
    expect(schedulerFor("euler", scheduler).className).toBe("EulerDiscreteScheduler");
  });
});
