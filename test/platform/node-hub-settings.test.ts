import { homedir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ConfigError } from "../../src/errors.js";
import { hubSettings } from "../../src/platform/node/hub-settings.js";
import { temporaryFolder } from "../helpers/temporary.js";

const NAMES = ["HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME", "HF_ENDPOINT", "HF_TOKEN", "HF_TOKEN_PATH"] as const;
const FLAGS = ["HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_DISABLE_IMPLICIT_TOKEN"] as const;

beforeEach(() => {
  for (const name of [...NAMES, ...FLAGS]) vi.stubEnv(name, undefined);
});
afterEach(() => void vi.unstubAllEnvs());

function environment(variables: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value);
}

describe("the cache folder", () => {
  it.each<[Record<string, string>, string]>([
    [{}, join(homedir(), ".cache/huggingface/hub")],
    [{ XDG_CACHE_HOME: "/xdg" }, "/xdg/huggingface/hub"],
    [{ XDG_CACHE_HOME: "/xdg", HF_HOME: "/hf" }, "/hf/hub"],
    [{ HF_HOME: "/hf", HUGGINGFACE_HUB_CACHE: "/old" }, "/old"],
    [{ HUGGINGFACE_HUB_CACHE: "/old", HF_HUB_CACHE: "/new" }, "/new"],
    [{ HF_HOME: "~/hf" }, join(homedir(), "hf/hub")],
    [{ HF_HUB_CACHE: "$HF_HOME/own", HF_HOME: "/hf" }, "/hf/own"],
    [{ HF_HUB_CACHE: "", HF_HOME: "/hf" }, "/hf/hub"],
  ])("follows %o", async (variables, expected) => {
    environment(variables);
    expect((await hubSettings()).cacheDir).toBe(expected);
  });

  it("is the caller's if given", async () => {
    environment({ HF_HUB_CACHE: "/env" });
    expect((await hubSettings({ cacheDir: "~/mine" })).cacheDir).toBe(join(homedir(), "mine"));
  });
});

describe("the token", () => {
  it("is the caller's, else HF_TOKEN, else the file's", async () => {
    environment({ HF_HOME: temporaryFolder({ token: "from-file\n" }) });
    expect((await hubSettings()).token).toBe("from-file");
    environment({ HF_TOKEN: " from-env\r\n" });
    expect((await hubSettings()).token).toBe("from-env");
    expect((await hubSettings({ token: "given" })).token).toBe("given");
  });

  it("may lie in a file of another name", async () => {
    environment({ HF_TOKEN_PATH: join(temporaryFolder({ secret: "from-file" }), "secret") });
    expect((await hubSettings()).token).toBe("from-file");
  });

  it("is undefined if nothing states one", async () => {
    environment({ HF_HOME: temporaryFolder({ token: "\n" }), HF_TOKEN: "" });
    expect((await hubSettings()).token).toBeUndefined();
  });
});

describe("the other variables", () => {
  it.each(["1", "true", "Yes", "ON"])("HF_HUB_OFFLINE=%s forbids the network", async (value) => {
    environment({ HF_HUB_OFFLINE: value });
    expect((await hubSettings()).isOffline).toBe(true);
  });

  it.each(["0", "false", ""])("HF_HUB_OFFLINE=%j does not", async (value) => {
    environment({ HF_HUB_OFFLINE: value });
    expect((await hubSettings()).isOffline).toBe(false);
  });

  it("HF_ENDPOINT names a mirror", async () => {
    environment({ HF_ENDPOINT: "https://mirror.example/hub/" });
    expect((await hubSettings()).endpoint).toBe("https://mirror.example/hub");
  });

  it.each(["mirror.example", "file:///etc", "ftp://mirror.example"])("HF_ENDPOINT=%s is refused", async (value) => {
    environment({ HF_ENDPOINT: value });
    await expect(hubSettings()).rejects.toThrow(ConfigError);
  });

  it("HF_HUB_DOWNLOAD_TIMEOUT is in seconds", async () => {
    environment({ HF_HUB_DOWNLOAD_TIMEOUT: "30" });
    expect(await hubSettings()).toMatchObject({ downloadTimeout: 30_000, apiTimeout: 10_000 });
  });

  it.each(["soon", "0", "-1"])("HF_HUB_ETAG_TIMEOUT=%s is refused", async (value) => {
    environment({ HF_HUB_ETAG_TIMEOUT: value });
    await expect(hubSettings()).rejects.toThrow(/HF_HUB_ETAG_TIMEOUT is ".*"; expected seconds/);
  });
});
