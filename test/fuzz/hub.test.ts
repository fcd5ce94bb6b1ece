import { readdirSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import fc from "fast-check";
import { expect } from "vitest";
import { openCheckpoint } from "../../src/hub/open-checkpoint.js";
import { HubServer } from "../helpers/hub-server.js";
import { editedBytes, editedJson, hostileText } from "./hostile.js";
import { attack, refusing, surface } from "./surface.js";

const ID = "someone/vae";
const COMMIT = "0123456789abcdef0123456789abcdef01234567";
const REVISION = { id: ID, sha: COMMIT, siblings: [{ rfilename: "config.json" }] };
const TREE = ["config.json", "diffusion_pytorch_model.safetensors"].map((path) => ({
  type: "file",
  path,
  oid: COMMIT,
  size: 10,
  lfs: { oid: "a".repeat(64), size: 10, pointerSize: 134 },
}));

const servers = new Map<string, Promise<HubServer>>();

/** Asks the hub for a checkpoint; `fail` says what it answers. Nothing is left anywhere but in the cache. */
async function strike(folder: string, fail: (hub: HubServer) => void): Promise<void> {
  const hub = await (servers.get(folder) ?? HubServer.start({ [ID]: "vae-swap-mini" }));
  servers.set(folder, Promise.resolve(hub));
  rmSync(hub.cacheDir, { recursive: true, force: true });
  hub.forgive();
  fail(hub);
  await refusing(() => openCheckpoint(ID, { wanted: { kind: "part", part: "model", subfolder: "" } }));
  expect(readdirSync(dirname(hub.cacheDir)).filter((name) => name !== "hub")).toEqual([]);
}

const path = fc.oneof(
  fc.constantFrom("../../evil.json", "/evil.json", "unet/../../evil", "config.json", "diffusion_pytorch_model.safetensors"),
  hostileText,
);
const tree = fc.oneof(
  editedJson(TREE),
  fc.array(path, { maxLength: 4 }).map((paths) => JSON.stringify(paths.map((each) => ({ ...TREE[1], path: each })))),
);
// Header values that Node lets a server send.
const headerText = hostileText.map((text) => text.replace(/[^\x20-\x7e]/g, "").slice(0, 2000));

surface("a hub's answers", [
  attack(
    "to what a revision is",
    editedJson(REVISION),
    (body, folder) => strike(folder, (hub) => hub.fail(/revision/, { status: 200, body })),
    { runs: 60 },
  ),
  attack("to what files there are", tree, (body, folder) => strike(folder, (hub) => hub.fail(/tree/, { status: 200, body }, 3)), {
    runs: 80,
  }),
  attack(
    "to what files there are, page by page",
    fc.tuple(headerText, fc.constantFrom(`<$>; rel="next"`, "<$", "$; rel=next", `<http://hub/$?cursor=1>; rel="next"`)),
    ([text, form], folder) =>
      strike(folder, (hub) =>
        hub.fail(/tree/, { status: 200, headers: { link: form.replace("$", text.replaceAll("$", "")) }, body: JSON.stringify(TREE) }),
      ),
    { runs: 40 },
  ),
  attack(
    "in bytes that are damaged",
    fc.tuple(fc.constantFrom(/revision/, /tree/), editedBytes(Buffer.from(JSON.stringify(TREE)))),
    ([pattern, bytes], folder) =>
      strike(folder, (hub) => hub.fail(pattern, { status: 200, body: Buffer.from(bytes).toString("latin1") }, 3)),
    { runs: 40 },
  ),
  attack(
    "that refuse",
    fc.tuple(fc.constantFrom(400, 401, 403, 404, 410, 416, 451), headerText, headerText),
    ([status, code, message], folder) =>
      strike(folder, (hub) =>
        hub.fail(/revision|tree|resolve/, { status, headers: { "x-error-code": code, "x-error-message": message } }, 5),
      ),
    { runs: 40 },
  ),
]);
