import { describe, expect, it } from "vitest";
import { findSource } from "../../src/hub/find-source.js";
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
  ])("takes %j for a %s that is %s", async (source, kind, place) => {
    expect(await findSource(source)).toMatchObject({ kind, place });
  });

  it("refuses addresses that are no hub's", async () => {
    expect((await checkpointError(findSource("https://civitai.com/a.safetensors"))).message).toMatch(/no address of a file on the hub/);
  });
});
