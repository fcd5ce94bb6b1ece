import { Argument, type Command } from "commander";
import type { DeviceReport } from "../platform/node/devices.js";
import { withoutControls } from "../printable.js";
import { formatBytes } from "./bytes.js";
import { table } from "./table.js";

/**
 * `darkroom devices` lists the devices that work here. `devices add` downloads CUDA's libraries. `devices prune` removes binaries for other
 * platforms.
 */
export function addDevices(program: Command): void {
  const devices = program
    .command("devices")
    .description("list the devices that work here")
    .enablePositionalOptions()
    .option("--json", "print one line of JSON")
    .option("--verbose", "show the stack of an error")
    .action(async ({ json }: { readonly json?: true }) => {
      const { tryDevices } = await import("../platform/node/devices.js");
      const { auto, devices } = await tryDevices();
      process.stdout.write(`${json ? JSON.stringify({ auto, devices }) : withoutControls(describeDevices(auto, devices))}\n`);
    });
  devices
    .command("add")
    .description("download the libraries for a device")
    .addArgument(new Argument("<device>", "which one").choices(["cuda"]))
    .option("--verbose", "show the stack of an error")
    .action(async () => {
      const [{ fetchCudaLibraries }, { tryDevice }] = await Promise.all([
        import("../platform/node/runtime-files.js"),
        import("../platform/node/devices.js"),
      ]);
      await fetchCudaLibraries({
        onDownload: (file, bytes) => process.stderr.write(`downloading ${file}${bytes === undefined ? "" : `, ${formatBytes(bytes)}`}\n`),
      });
      process.stdout.write(`${withoutControls(describeDevices(null, [await tryDevice("cuda")]))}\n`);
    });
  devices
    .command("prune")
    .description("remove binaries for other platforms from node_modules")
    .option("--verbose", "show the stack of an error")
    .action(async () => {
      const { removeOtherPlatforms } = await import("../platform/node/runtime-files.js");
      const removed = removeOtherPlatforms();
      const freed = removed.reduce((sum, { bytes }) => sum + bytes, 0);
      const lines = removed.map(({ platform, bytes }) => `removed ${platform}: ${formatBytes(bytes)}\n`);
      process.stdout.write(`${lines.join("")}${formatBytes(freed)} freed\n`);
    });
}

/** A table of devices, and below it hints for those that do not work. */
export function describeDevices(auto: string | null, devices: readonly DeviceReport[]): string {
  const rows = devices.map(({ device, works, note }) => [
    device,
    works ? "yes" : "no",
    [...(device === auto ? ["auto uses it"] : []), ...(note === undefined ? [] : [note])].join("; "),
  ]);
  const hints = devices.flatMap(({ device, hint }) => (hint === undefined ? [] : [`${device}: ${hint}`]));
  const untested = devices.filter(({ tested }) => !tested).map(({ device }) => device);
  const caution = untested.length === 0 ? [] : [`Not tested yet by Darkroom's developers: ${untested.join(", ")}.`];
  return [table([["DEVICE", "WORKS", ""], ...rows]), hints.join("\n"), ...caution].filter((text) => text !== "").join("\n\n");
}
