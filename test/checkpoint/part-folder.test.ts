import { describe, expect, it } from "vitest";
import { partFolder, subfolderAmong, subfolderIn } from "../../src/checkpoint/part-folder.js";
import { openFolder } from "../../src/platform/node/platform.js";
import { temporaryFolder } from "../helpers/temporary.js";

describe("the folder of a checkpoint's part", () => {
  it.each<[string, string[], string]>([
    ["is named after the part", ["model_index.json", "unet/config.json"], "unet"],
    ["is the checkpoint's own in an old checkpoint of a single network", ["model_index.json", "config.json"], ""],
    ["is the part's own if both have a config", ["config.json", "unet/config.json"], "unet"],
    ["is the part's own if nothing is anywhere", ["model_index.json"], "unet"],
    ["is not one that begins with its name", ["config.json", "unet_2/config.json"], ""],
  ])("%s", async (_, paths, expected) => {
    expect(subfolderAmong(paths, "unet")).toBe(expected);
    const folder = openFolder(temporaryFolder(Object.fromEntries(paths.map((path) => [path, "{}"]))), "top");
    expect(await subfolderIn(folder, "unet")).toBe(expected);
    expect((await partFolder(folder, "unet")).name).toBe(expected === "" ? "top" : "top/unet");
  });
});
