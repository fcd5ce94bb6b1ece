import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readModelIndex } from "../../src/checkpoint/model-index.js";
import { openFolder } from "../../src/platform/node/platform.js";
import { checkpointError } from "../helpers/errors.js";
import { temporaryFolder } from "../helpers/temporary.js";

const read = (files: Record<string, unknown>) => readModelIndex(openFolder(temporaryFolder(files)));

describe("readModelIndex", () => {
  it("reads class, parts and options of a pipeline", async () => {
    const index = await readModelIndex(openFolder("test/checkpoints/sdxl-base-mini"));
    expect(index.className).toBe("StableDiffusionXLPipeline");
    expect(index.diffusersVersion).toBe("0.42.1");
    expect(index.components.get("text_encoder_2")).toEqual({ library: "transformers", className: "CLIPTextModelWithProjection" });
    expect(index.components.get("image_encoder")).toBeNull();
    expect(index.options).toEqual({ forceZerosForEmptyPrompt: true });
  });

  it("ignores keys that begin with an underscore", async () => {
    const index = await read({ "model_index.json": { _class_name: "A", _ignore_files: [], _name_or_path: "x" } });
    expect([...index.components, ...Object.keys(index.options)]).toEqual([]);
  });

  it("names a folder that does not exist", async () => {
    const error = await checkpointError(readModelIndex(openFolder("./no-such-checkpoint")));
    expect(error.message).toBe("./no-such-checkpoint does not exist");
    expect(error.hint).toBeTruthy();
  });

  it("says that a file was given", async () => {
    const path = temporaryFolder({ "sd15.safetensors": "" });
    const error = await checkpointError(readModelIndex(openFolder(join(path, "sd15.safetensors"))));
    expect(error.message).toMatch(/is a file; a folder was expected/);
  });

  it("says what a folder without model_index.json lacks", async () => {
    const error = await checkpointError(read({ "unet/config.json": {} }));
    expect(error.message).toMatch(/has no model_index\.json/);
    expect(error.hint).toMatch(/diffusers' layout/);
  });

  it("recognises a part's folder", async () => {
    const error = await checkpointError(readModelIndex(openFolder("test/checkpoints/sd1-mini/unet")));
    expect(error.message).toMatch(/that of a single model, not of a pipeline/);
    expect(error.hint).toMatch(/folder above/);
  });

  it("names the single file in a folder without model_index.json", async () => {
    const error = await checkpointError(read({ "v1-5.safetensors": "" }));
    expect(error.message).toMatch(/it holds v1-5\.safetensors, which may be a checkpoint in a single file/);
    expect(error.hint).toMatch(/give the file itself/);
  });

  it("says that a pickle in the folder must be converted", async () => {
    const error = await checkpointError(read({ "v1-5.ckpt": "" }));
    expect(error.message).toMatch(/its file v1-5\.ckpt is a pickle/);
    expect(error.hint).toMatch(/from_single_file/);
  });

  it.each(["{", "", "<html>", "[]"])("refuses %j as model_index.json", async (content) => {
    expect((await checkpointError(read({ "model_index.json": content }))).message).toMatch(/model_index\.json/);
  });

  it.each([{}, { _class_name: null }, { _class_name: 1 }, { _class_name: "" }, { _class_name: ["a", "b"] }])(
    "refuses %j, which names no class",
    async (json) => {
      expect((await checkpointError(read({ "model_index.json": json }))).message).toMatch(
        /as _class_name; the name of a pipeline class was expected/,
      );
    },
  );

  it.each([[["diffusers"]], [["diffusers", null]], [[null, "A"]], [["a", "b", "c"]], [[1, 2]], [[]]])(
    "refuses the part %j",
    async (unet) => {
      const error = await checkpointError(read({ "model_index.json": { _class_name: "A", unet } }));
      expect(error.message).toMatch(/model_index\.json: component "unet" is .*; \[library, class\] was expected/);
    },
  );

  it("refuses a part whose name leads out of the folder", async () => {
    await checkpointError(read({ "model_index.json": { _class_name: "A", "../unet": ["diffusers", "UNet2DConditionModel"] } }));
  });

  it("refuses more parts than a pipeline can have", async () => {
    const parts = Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`part_${i}`, ["diffusers", "UNet2DConditionModel"]]));
    const error = await checkpointError(read({ "model_index.json": { _class_name: "A", ...parts } }));
    expect(error.message).toMatch(/model_index\.json lists 101 parts; a pipeline has at most 100$/);
  });

  it("treats a part named __proto__ like any other", async () => {
    const index = await read({ "model_index.json": '{"_class_name": "A", "constructor": ["a", "b"], "__proto__": {"x": 1}}' });
    expect(index.components.get("constructor")).toEqual({ library: "a", className: "b" });
    expect(index.options).toEqual({});
  });
});
