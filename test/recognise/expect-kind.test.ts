import { basename, dirname } from "node:path";
import { describe, expect, it } from "vitest";
import { inTerminal } from "../../src/cli/spelling.js";
import { openFolder } from "../../src/platform/node/platform.js";
import { expectKind, type WantedKind } from "../../src/recognise/expect-kind.js";
import { checkpointError } from "../helpers/errors.js";
import { SMALL, smallFile } from "../helpers/full-size-files.js";
import { loraFile } from "../lora/loras.js";
import { embeddingFile } from "../pipelines/embeddings.js";

const files: Readonly<Record<string, () => string>> = {
  checkpoint: () => smallFile(SMALL.sd15(), 1),
  lora: () => loraFile("sd1_kohya"),
  "textual-inversion": () => embeddingFile("cat-toy"),
  vae: () => smallFile(SMALL.vae(), 1),
  controlnet: () => smallFile(SMALL.controlnet(), 1),
};
const expected = (wanted: WantedKind, path: string) => expectKind(wanted, openFolder(dirname(path)), basename(path));

describe("a file of another kind than expected", () => {
  it.each<[file: string, wanted: WantedKind, message: RegExp, option: string]>([
    ["checkpoint", "lora", /is a checkpoint \(Stable Diffusion 1\), not a LoRA$/, "--model"],
    ["checkpoint", "textual-inversion", /is a checkpoint \(Stable Diffusion 1\), not a textual inversion$/, "--model"],
    ["lora", "checkpoint", /is a LoRA, not a checkpoint$/, "--lora"],
    ["lora", "vae", /is a LoRA, not an autoencoder$/, "--lora"],
    ["lora", "controlnet", /is a LoRA, not a ControlNet or T2I-Adapter$/, "--lora"],
    ["lora", "textual-inversion", /is a LoRA, not a textual inversion$/, "--lora"],
    ["textual-inversion", "lora", /is a textual inversion, not a LoRA$/, "--embedding"],
    ["textual-inversion", "checkpoint", /is a textual inversion, not a checkpoint$/, "--embedding"],
    ["textual-inversion", "unet", /is a textual inversion, not a UNet$/, "--embedding"],
    ["vae", "lora", /is an autoencoder, not a LoRA$/, "--vae"],
    ["vae", "controlnet", /is an autoencoder, not a ControlNet or T2I-Adapter$/, "--vae"],
    ["controlnet", "vae", /is a ControlNet, not an autoencoder$/, "--control"],
    ["controlnet", "textual-inversion", /is a ControlNet, not a textual inversion$/, "--control"],
  ])("%s for %s is refused with its kind and the option that takes it", async (file, wanted, message, option) => {
    const error = await checkpointError(expected(wanted, files[file]?.() ?? ""));
    expect(error.message).toMatch(message);
    expect(error.spell(inTerminal).hint).toMatch(new RegExp(`${option}\\b`));
  });

  it.each<[file: string, wanted: WantedKind]>([
    ["lora", "lora"],
    ["textual-inversion", "textual-inversion"],
    ["vae", "vae"],
    ["controlnet", "controlnet"],
    ["checkpoint", "checkpoint"],
    // A checkpoint has a UNet and an autoencoder in it.
    ["checkpoint", "unet"],
    ["checkpoint", "vae"],
  ])("%s for %s is accepted", async (file, wanted) => {
    await expect(expected(wanted, files[file]?.() ?? "")).resolves.toBeUndefined();
  });
});
