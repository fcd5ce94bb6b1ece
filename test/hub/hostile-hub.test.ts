import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { openCheckpoint } from "../../src/hub/open-checkpoint.js";
import { checkpointError, hubError } from "../helpers/errors.js";
import { HubServer } from "../helpers/hub-server.js";

const ID = "someone/vae";
const WEIGHTS = "diffusion_pytorch_model.safetensors";

/** A hub with one model of two files. */
const startHub = async () => HubServer.start({ [ID]: "vae-swap-mini" });

const open = (options = {}) => openCheckpoint(ID, { wanted: { kind: "part", part: "model", subfolder: "" }, ...options });

describe("a token", () => {
  it.each([
    ["option", async () => open({ token: "secret" })],
    [
      "HF_TOKEN",
      async () => {
        vi.stubEnv("HF_TOKEN", "secret\n");
        await open();
      },
    ],
    [
      "what hf auth login wrote",
      async () => {
        writeFileSync(join(process.env.HF_HOME ?? "", "token"), "secret\n");
        await open();
      },
    ],
  ])("is taken from: %s", async (_, work) => {
    const hub = await startHub();
    hub.token = "secret";
    await work();
    expect(new Set(hub.log.filter(({ host }) => host === "hub").map(({ authorization }) => authorization))).toEqual(
      new Set(["Bearer secret"]),
    );
  });

  it("is not sent to an address that the hub redirects to", async () => {
    const hub = await startHub();
    await open({ token: "secret" });
    expect(hub.log.filter(({ host }) => host === "cdn").map(({ authorization }) => authorization)).toEqual([undefined]);
  });

  it("is not sent to another host that a listing names for its next page", async () => {
    const hub = await startHub();
    const commit = hub.push(ID, "vae-swap-mini");
    const body = "[]";
    hub.fail(/tree/, {
      status: 200,
      headers: { link: `<${hub.cdnUrl}/api/models/${ID}/tree/${commit}?recursive=true>; rel="next"` },
      body,
    });
    await open({ token: "secret" });
    expect(hub.log.filter(({ host, path }) => host === "cdn" && path.includes("tree"))).toEqual([]);
  });

  it("is not sent by default if HF_HUB_DISABLE_IMPLICIT_TOKEN is set", async () => {
    const hub = await startHub();
    vi.stubEnv("HF_TOKEN", "secret");
    vi.stubEnv("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1");
    await open();
    expect(hub.log.filter(({ authorization }) => authorization !== undefined)).toEqual([]);
  });
});

describe("a malicious hub", () => {
  const outside = async (path: string) => {
    const hub = await HubServer.start({ [ID]: { "config.json": "{}", [WEIGHTS]: "x", [path]: "evil" } });
    await open();
    return hub;
  };

  it.each(["../evil.json", "/evil.json", "a/../../evil.json", "..\\evil.json", "c:evil.json"])("cannot name a file %s", async (path) => {
    const hub = await outside(path);
    expect(hub.fetched).toEqual(["config.json", WEIGHTS]);
  });

  it("cannot place a shard outside the snapshot", async () => {
    const index = JSON.stringify({ weight_map: { a: "../../../../evil.safetensors" } });
    await HubServer.start({
      [ID]: { "config.json": "{}", "diffusion_pytorch_model.safetensors.index.json": index, "evil.safetensors": "x" },
    });
    expect((await checkpointError(open())).message).toMatch(/expected a \.safetensors file beside the index/);
  });

  it("cannot name a part outside the repository", async () => {
    await HubServer.start({ [ID]: { "model_index.json": '{"_class_name": "X", "../../x": ["diffusers", "UNet2DModel"]}' } });
    expect((await checkpointError(openCheckpoint(ID))).message).toMatch(/component "\.\.\/\.\.\/x"/);
  });

  it("cannot give a commit that is a path", async () => {
    const hub = await startHub();
    hub.fail(/revision/, { status: 200, body: '{"sha": "../../../evil"}' });
    expect((await hubError(open())).message).toMatch(/gave no commit for revision main/);
  });

  it("cannot fill the memory with a listing", async () => {
    const hub = await startHub();
    hub.fail(/tree/, { status: 200, body: `[${" ".repeat(51_000_000)}]` });
    expect((await hubError(open())).message).toMatch(/sent a listing of more than 50000000 bytes/);
  });

  it("cannot send endless pages", async () => {
    const hub = await startHub();
    hub.fail(/tree/, { status: 200, headers: { link: '</tree?cursor=x>; rel="next"' }, body: "[]" }, 1000);
    expect((await hubError(open())).message).toMatch(/more than 100 pages/);
  });

  it("is distinguished from a login page", async () => {
    const hub = await startHub();
    hub.fail(/revision/, { status: 200, body: "<html>please log in</html>" });
    const error = await hubError(open());
    expect(error.message).toMatch(/sent something that is not JSON/);
    expect(error.hint).toMatch(/HF_ENDPOINT/);
  });

  it.each(["../main", "/main", "a/../../b", "", "a\0b"])("is not asked for the revision %j", async (revision) => {
    const hub = await startHub();
    await expect(open({ revision })).rejects.toThrow(/expected a branch, a tag or a commit/);
    expect(hub.log).toEqual([]);
  });
});
