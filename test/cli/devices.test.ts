import { beforeAll, describe, expect, it } from "vitest";
import { describeDevices } from "../../src/cli/devices.js";
import type { DeviceReport } from "../../src/platform/node/devices.js";
import { darkroom, darkroomProcess, expectFailure, type Run } from "./darkroom.js";

describe("darkroom devices", () => {
  let run: Run;
  let devices: readonly DeviceReport[];
  beforeAll(async () => {
    // In a process of its own: a Vulkan driver may have words of its own for the terminal.
    run = await darkroomProcess(["devices", "--json"], ".");
    ({ devices } = JSON.parse(run.stdout));
  });

  it("tries every device, and gives the one that auto uses as JSON", () => {
    expect(run.code).toBe(0);
    expect(devices.map(({ device }) => device)).toEqual(["cpu", "webgpu", "cuda", "coreml", "dml", "wasm"]);
    expect(devices[0]).toEqual({ device: "cpu", tested: true, works: true });
    const { auto } = JSON.parse(run.stdout);
    expect(devices.find(({ device }) => device === auto)?.works).toBe(true);
  });

  it("says why a device does not work, and what to do", () => {
    for (const { works, note, hint } of devices) if (!works) expect([note, hint]).toEqual([expect.any(String), expect.any(String)]);
  });

  it.runIf(process.platform === "linux" && process.arch === "x64")(
    "gives the command that downloads CUDA's libraries if CUDA does not work",
    () => {
      const cuda = devices.find(({ device }) => device === "cuda");
      if (!cuda?.works) expect(cuda).toMatchObject({ tested: false, command: "npx darkroom devices add cuda" });
      expect(devices.find(({ device }) => device === (process.platform === "linux" ? "dml" : "coreml"))).toMatchObject({
        works: false,
        note: "this is linux",
      });
    },
  );

  it("is a table with hints and untested devices", () => {
    const text = describeDevices("cpu", [
      { device: "cpu", works: true, tested: true, note: "a note" },
      { device: "cuda", works: false, tested: false, note: "no library", hint: "get it" },
    ]);
    expect(text.split("\n")).toEqual([
      "DEVICE  WORKS",
      "cpu     yes    auto uses it; a note",
      "cuda    no     no library",
      "",
      "cuda: get it",
      "",
      "Not tested yet by Darkroom's developers: cuda.",
    ]);
  });

  it("add refuses a device without libraries to add", async () => {
    expectFailure(await darkroom(["devices", "add", "tpu"], "."), 2, /Allowed choices are cuda.*\n.*darkroom devices add --help/);
    expectFailure(await darkroom(["devices", "list"], "."), 2, /too many arguments.*\n.*darkroom devices --help/);
  });
});
