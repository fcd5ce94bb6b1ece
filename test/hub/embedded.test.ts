import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { CheckpointError } from "../../src/errors.js";
import { EMBEDDED_CHECKPOINT, embeddedCheckpointPath } from "../../src/hub/embedded.js";
import { openCheckpoint } from "../../src/hub/open-checkpoint.js";
import { inspect } from "../../src/inspect/inspect.js";
import { UNet2DConditionModel } from "../../src/models/unet-2d-condition.js";
import { DiffusionPipeline } from "../../src/pipelines/diffusion-pipeline.js";
import { packagedCheckpoint, packagedFolder } from "../../src/platform/web/package-files.js";
import { DDIMScheduler } from "../../src/schedulers/ddim.js";
import { CLIPTokenizer } from "../../src/tokenizer/clip.js";
import { darkroom } from "../cli/darkroom.js";
import { temporaryFolder } from "../helpers/temporary.js";

describe("The embedded checkpoint", () => {
  it("opens as a pipeline by its name", async () => {
    await using pipe = await DiffusionPipeline.fromPretrained(EMBEDDED_CHECKPOINT, { device: "cpu" });
    const { images } = await pipe.generate({ prompt: "a panda", numInferenceSteps: 1, seed: 0 });
    expect(images[0]).toMatchObject({ width: 128, height: 128 });
  });

  it("opens part by part", async () => {
    await using unet = await UNet2DConditionModel.fromPretrained(EMBEDDED_CHECKPOINT, { subfolder: "unet", device: "cpu" });
    expect(unet.sampleSize).toEqual([16, 16]);
    expect(await CLIPTokenizer.fromPretrained(EMBEDDED_CHECKPOINT, { subfolder: "tokenizer" })).toBeInstanceOf(CLIPTokenizer);
    expect((await DDIMScheduler.fromPretrained(EMBEDDED_CHECKPOINT, { subfolder: "scheduler" })).className).toBe("DDIMScheduler");
    await expect(UNet2DConditionModel.fromPretrained(EMBEDDED_CHECKPOINT)).rejects.toThrow(
      `${EMBEDDED_CHECKPOINT}/config.json does not exist`,
    );
  });

  it("is named where a name is nearly its own, such as that of an earlier version of the package", async () => {
    for (const name of ["emoji-64", "emoji", "emojis", "emoji_128", "Emoji-128"]) {
      const error = await openCheckpoint(name).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(CheckpointError);
      expect((error as CheckpointError).message).toBe(`${name} does not exist; did you mean ${EMBEDDED_CHECKPOINT}?`);
    }
    await expect(openCheckpoint("none")).rejects.toThrow(/^none does not exist$/);
  });

  it("is in the npm package, alone, with the files that pages load", async () => {
    const [packed] = JSON.parse(execFileSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], { encoding: "utf8" }));
    const files = (packed.files as { path: string }[]).map(({ path }) => path);
    const checkpoints = files.filter((path) => /^models\/[^/]+\/model_index\.json$/.test(path));
    expect(checkpoints).toEqual([`models/${EMBEDDED_CHECKPOINT}/model_index.json`]);
    const folder = `models/${EMBEDDED_CHECKPOINT}/`;
    const own = files.filter((path) => path.startsWith(folder)).map((path) => path.slice(folder.length));
    const onDisk = readdirSync(embeddedCheckpointPath(), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    expect(own).toHaveLength(onDisk.length);
    const inPages = packagedFolder(packagedCheckpoint(EMBEDDED_CHECKPOINT), EMBEDDED_CHECKPOINT);
    for (const path of own) expect([path, await inPages?.has(path)]).toEqual([path, path !== "MODEL_CARD.md"]);
  });

  it("is the folder at its path", async () => {
    const [byName, byPath] = [await openCheckpoint(EMBEDDED_CHECKPOINT), await openCheckpoint(embeddedCheckpointPath())];
    expect([byName.name, await byName.file("model_index.json")]).toEqual([EMBEDDED_CHECKPOINT, await byPath.file("model_index.json")]);
  });

  it("is inspected by its name", async () => {
    expect(await inspect(EMBEDDED_CHECKPOINT)).toMatchObject({ kind: "checkpoint", name: EMBEDDED_CHECKPOINT, size: 128 });
  });

  it("opens on the command line, unless a folder there has the name", async () => {
    const folder = temporaryFolder();
    expect(await darkroom(["inspect", EMBEDDED_CHECKPOINT], folder)).toMatchObject({ code: 0, stderr: "" });
    const generate = [
      "generate",
      "a panda",
      "--model",
      EMBEDDED_CHECKPOINT,
      "--steps",
      "1",
      "--seed",
      "0",
      "--device",
      "cpu",
      "--out",
      "a.png",
    ];
    expect(await darkroom(generate, folder)).toMatchObject({ code: 0 });
    mkdirSync(join(folder, EMBEDDED_CHECKPOINT));
    const { code, stderr } = await darkroom(["inspect", EMBEDDED_CHECKPOINT], folder);
    expect(code).not.toBe(0);
    expect(stderr).toContain(`${EMBEDDED_CHECKPOINT} has no model_index.json`);
  });
});
