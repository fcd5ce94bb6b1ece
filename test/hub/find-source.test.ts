import { describe, expect, it } from "vitest";
import { findSource } from "../../src/hub/find-source.js";
import { openFolder } from "../../src/platform/node/folder.js";
import { checkpointError } from "../helpers/errors.js";
import { checkpoint } from "../helpers/fixtures.js";

describe("findSource", () => {
  it.each([
    ["owner/name", "folder", "hub"],
    ["owner/name/fox.safetensors", "file", "hub"],
    ["owner/name/folder/fox.safetensors", "file", "hub"],
    ["owner/name/model.ckpt", "file", "hub"],
    ["https://huggingface.co/owner/name/blob/main/fox.safetensors", "file", "hub"],
    ["huggingface.co/owner/name/blob/main/fox.safetensors", "file", "hub"],
    [checkpoint("sd1-mini"), "folder", "here"],
    ["test/cli", "folder", "here"],
    ["package.json", "file", "here"],
    ["fox.safetensors", "file", "nowhere"],
    ["owner/fox.safetensors", "file", "nowhere"],
    ["/owner/name/fox.safetensors", "file", "nowhere"],
    // There is a folder test.
    ["test/none/fox.safetensors", "file", "nowhere"],
    ["./owner/name", "folder", "nowhere"],
    ["owner/name/folder", "folder", "nowhere"],
    ["", "folder", "nowhere"],
  ])("parses %j as a %s that is %s", async (source, kind, place) => {
    expect(await findSource(source)).toMatchObject({ kind, place });
  });

  it("carries what later steps need: the folder, the file, or the name on the hub", async () => {
    const folder = await findSource(checkpoint("sd1-mini"));
    if (!("folder" in folder)) throw new Error("expected a folder");
    expect(await folder.folder.has("model_index.json")).toBe(true);
    expect(await findSource("package.json")).toMatchObject({ name: "package.json", path: "package.json" });
    expect(await findSource("owner/name")).toEqual({ kind: "folder", place: "hub", name: "owner/name", id: "owner/name" });
    expect(await findSource("owner/name/lora/fox.safetensors")).toMatchObject({
      name: "owner/name/lora/fox.safetensors",
      file: { id: "owner/name", revision: undefined, path: "lora/fox.safetensors" },
    });
  });

  it("takes a Folder as it is, and parses no source twice", async () => {
    const folder = openFolder(checkpoint("sd1-mini"), "given");
    const found = await findSource(folder);
    expect(found).toEqual({ kind: "folder", place: "given", name: "given", folder });
    expect(await findSource(found)).toBe(found);
  });

  it("takes a program's Folder for one, whatever its other members are called", async () => {
    const folder = Object.assign(openFolder(checkpoint("sd1-mini")), { place: "on a map" });
    expect(await findSource(folder)).toMatchObject({ kind: "folder", place: "given", folder });
  });

  it("refuses addresses of other sites", async () => {
    expect((await checkpointError(findSource("https://civitai.com/a.safetensors"))).message).toMatch(
      /is not the address of a file on the hub/,
    );
  });
});
