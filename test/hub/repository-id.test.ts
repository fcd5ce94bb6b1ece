import { describe, expect, it } from "vitest";
import { isRepositoryId, isSafePath } from "../../src/hub/repository-id.js";

describe("isRepositoryId", () => {
  it.each(["runwayml/stable-diffusion-v1-5", "stabilityai/sd-vae-ft-mse", "a/b", "some_one/Model.v2", "H94/IP-Adapter"])(
    "takes %s",
    (source) => {
      expect(isRepositoryId(source)).toBe(true);
    },
  );

  it.each([
    "stable-diffusion-v1-5",
    "./models/mine",
    "../models",
    "/models/mine",
    "models/mine/",
    "a/b/c",
    "C:/models",
    "a\\b",
    "-a/b",
    "a/b-",
    "a/.b",
    "a--b/c",
    "a/b..c",
    "a/b.git",
    "models/mine.safetensors",
    "models/mine.ckpt",
    "a/b c",
    "a/ü",
    `a/${"b".repeat(97)}`,
    "",
  ])("does not take %j", (source) => {
    expect(isRepositoryId(source)).toBe(false);
  });
});

describe("isSafePath", () => {
  it.each(["config.json", "unet/config.json", "a/b/c.d-e_f", "..a/b..", ".gitattributes", "ü/日本.json"])("takes %s", (path) => {
    expect(isSafePath(path)).toBe(true);
  });

  it.each([
    "",
    "/a",
    "a/",
    "a//b",
    ".",
    "..",
    "../a",
    "a/../b",
    "./a",
    "a\\b",
    "c:a",
    "a\0b",
    "a\nb",
    "a?b",
    "a".repeat(256),
    "a/".repeat(600),
  ])("refuses %j", (path) => {
    expect(isSafePath(path)).toBe(false);
  });
});
