import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { CheckpointError } from "../../src/errors.js";
import { chooseFiles } from "../../src/hub/choose-files.js";
import type { WantedFiles } from "../../src/hub/wanted-files.js";
import { openFolder } from "../../src/platform/node/folder.js";
import { checkpoint } from "../helpers/fixtures.js";

const root = checkpoint("sd1-mini");
const paths = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((path) => statSync(join(root, path)).isFile());
const listing = { name: "someone/mini", paths, folder: openFolder(root), fetch: async () => undefined };

async function chosen(wanted: WantedFiles): Promise<readonly string[]> {
  const { needed, optional, missing } = await chooseFiles(listing, wanted, undefined);
  expect(missing).toEqual([]);
  return [...needed, ...optional].sort();
}

const whole = await chosen({ kind: "pipeline" });
const isWeights = (path: string) => path.endsWith(".safetensors");

describe("chooseFiles", () => {
  it("chooses the parts that model_index.json lists for a pipeline", () => {
    expect(whole).toContain("model_index.json");
    for (const part of ["unet", "vae", "text_encoder"]) {
      expect(whole.filter((path) => path.startsWith(`${part}/`))).toEqual([`${part}/config.json`, expect.stringMatching(/\.safetensors$/)]);
    }
    expect(whole).toContain("scheduler/scheduler_config.json");
    expect(whole).toContain("tokenizer/vocab.json");
  });

  it("leaves out the caller's parts, and the weights of parts without weights", async () => {
    const found = await chosen({ kind: "pipeline", without: ["vae", "tokenizer"], withoutWeights: ["unet"] });
    const isLeftOut = (path: string) => /^(vae|tokenizer)\//.test(path) || (path.startsWith("unet/") && isWeights(path));
    expect(found).toEqual(whole.filter((path) => !isLeftOut(path)));
  });

  it("shows model_index.json to the caller before it chooses parts", async () => {
    const refusal = new CheckpointError("not this one");
    const accept = () => {
      throw refusal;
    };
    await expect(chooseFiles(listing, { kind: "pipeline", accept }, undefined)).rejects.toBe(refusal);
  });

  it("leaves out all weights if only configs are wanted", async () => {
    expect(await chosen({ kind: "configs" })).toEqual(whole.filter((path) => !isWeights(path)));
  });

  it("chooses one part by its subfolder and kind", async () => {
    const inside = (part: string) => whole.filter((path) => path.startsWith(`${part}/`));
    expect(await chosen({ kind: "part", part: "model", subfolder: "unet" })).toEqual(inside("unet"));
    expect(await chosen({ kind: "part", part: "tokenizer", subfolder: "tokenizer" })).toEqual(inside("tokenizer"));
    expect(await chosen({ kind: "part", part: "scheduler", subfolder: "scheduler" })).toEqual(["scheduler/scheduler_config.json"]);
    expect(await chosen({ kind: "part-config", subfolder: "unet" })).toEqual(["unet/config.json"]);
  });

  it("chooses a network's files at the top of its own repository", async () => {
    const own = { ...listing, paths: ["README.md", "config.json", "diffusion_pytorch_model.safetensors"] };
    const { needed } = await chooseFiles(own, { kind: "network", network: "vae" }, undefined);
    expect(needed).toEqual(["config.json", "diffusion_pytorch_model.safetensors"]);
  });

  it("lets the caller name files, and reports the caller's error as a missing file", async () => {
    expect(await chosen({ kind: "names", choose: (_, all) => all.filter((path) => path.endsWith("merges.txt")) })).toEqual([
      "tokenizer/merges.txt",
    ]);
    const error = new CheckpointError("someone/mini has no LoRA");
    const choose = () => {
      throw error;
    };
    const { missing } = await chooseFiles(listing, { kind: "names", choose }, undefined);
    expect(missing).toEqual([{ path: "someone/mini has no LoRA", error }]);
  });
});
