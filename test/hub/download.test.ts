import { execFile } from "node:child_process";
import { hash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import type { DownloadProgress } from "../../src/checkpoint/source.js";
import type { HubProblem } from "../../src/errors.js";
import { openCheckpoint } from "../../src/hub/open-checkpoint.js";
import { hubError } from "../helpers/errors.js";
import { checkpoint } from "../helpers/fixtures.js";
import { HubServer } from "../helpers/hub-server.js";

const ID = "someone/vae";
const WEIGHTS = "diffusion_pytorch_model.safetensors";
const run = promisify(execFile);

/** A hub with one model of two files, and the model's bytes. */
async function startHub(): Promise<{ hub: HubServer; weights: Buffer; blobs: () => string[] }> {
  const hub = await HubServer.start({ [ID]: "vae-swap-mini" });
  const folder = join(hub.cacheDir, "models--someone--vae/blobs");
  const blobs = () => (existsSync(folder) ? readdirSync(folder) : []);
  return { hub, weights: readFileSync(join(checkpoint("vae-swap-mini"), WEIGHTS)), blobs };
}

const open = (options = {}) => openCheckpoint(ID, { wanted: { kind: "part", part: "model", subfolder: "" }, ...options });

/** Opens the model in a process of its own. */
function openElsewhere(): ReturnType<typeof run> {
  const door = JSON.stringify(new URL("../../dist/hub/open-checkpoint.js", import.meta.url).href);
  const code = `const { openCheckpoint } = await import(${door}); const folder = await openCheckpoint("${ID}", { wanted: { kind: "part", part: "model", subfolder: "" } }); console.log(await folder.size("${WEIGHTS}"));`;
  return run(process.execPath, ["--input-type=module", "-e", code], { cwd: fileURLToPath(new URL("../..", import.meta.url)) });
}

async function expectWhole(weights: Buffer): Promise<void> {
  const folder = await open({ localFilesOnly: true });
  expect(Buffer.from(await folder.read(WEIGHTS)).equals(weights)).toBe(true);
}

describe("a connection that breaks", () => {
  it("is resumed at the byte where it broke", async () => {
    const { hub, weights } = await startHub();
    hub.fail(/^\/[0-9a-f]{64}$/, { cutAfter: 300_000 });
    await open();
    expect(hub.log.filter(({ host }) => host === "cdn").map(({ range }) => range)).toEqual([undefined, "bytes=300000-"]);
    await expectWhole(weights);
  });

  it("keeps the received bytes when the download is stopped, so that the next one resumes", async () => {
    const { hub, weights, blobs } = await startHub();
    const stop = new AbortController();
    hub.fail(/^\/[0-9a-f]{64}$/, { slow: 20 });
    const onProgress = ({ loaded }: DownloadProgress) => loaded > 200_000 && stop.abort(new Error("enough"));
    await expect(open({ signal: stop.signal, onProgress })).rejects.toThrow("enough");
    const [partial = ""] = blobs().filter((name) => name.endsWith(".incomplete"));
    expect(partial).toMatch(/^[0-9a-f]{64}\.incomplete$/);
    const { size } = statSync(join(hub.cacheDir, "models--someone--vae/blobs", partial));
    expect(size).toBeGreaterThan(100_000);
    await open();
    expect(hub.log.at(-1)?.range).toBe(`bytes=${size}-`);
    expect(blobs().filter((name) => name.endsWith(".incomplete"))).toEqual([]);
    await expectWhole(weights);
  });

  it("is resumed by another process after the first was killed", async () => {
    const { hub, weights, blobs } = await startHub();
    hub.fail(/^\/[0-9a-f]{64}$/, { slow: 50 });
    const first = openElsewhere();
    const partialSize = () => {
      const name = blobs().find((blob) => blob.endsWith(".incomplete"));
      return name === undefined ? 0 : statSync(join(hub.cacheDir, "models--someone--vae/blobs", name)).size;
    };
    await vi.waitUntil(() => partialSize() > 100_000, { timeout: 20_000 });
    first.child.kill("SIGKILL");
    await first.catch(() => undefined);
    const size = partialSize();
    await openElsewhere();
    expect(hub.log.at(-1)?.range).toBe(`bytes=${size}-`);
    await expectWhole(weights);
  });

  it("starts at the beginning if the server has no ranges, and skips the bytes on disk", async () => {
    const { hub, weights } = await startHub();
    hub.fail(/^\/[0-9a-f]{64}$/, { cutAfter: 300_000 });
    hub.fail(/^\/[0-9a-f]{64}$/, { ignoreRange: true });
    await open();
    await expectWhole(weights);
  });

  it("is given up after several attempts without progress, with a hint", async () => {
    const { hub } = await startHub();
    const { setTimeout } = globalThis;
    const pauses = [500, 1000, 2000, 4000, 8000];
    const impatient = (work: () => void, time: number, ...rest: []) => setTimeout(work, pauses.includes(time) ? 0 : time, ...rest);
    vi.stubGlobal("setTimeout", impatient);
    onTestFinished(() => void vi.unstubAllGlobals());
    hub.fail(/resolve/, { cutAfter: 0 }, 100);
    const error = await hubError(open());
    expect(error.problem).toBe("network");
    expect(error.hint).toMatch(/downloaded data is kept/);
    expect(hub.log.filter(({ path }) => path.includes("config.json"))).toHaveLength(6);
  });

  it("counts as broken when no more data arrives", async () => {
    const { hub } = await startHub();
    vi.stubEnv("HF_HUB_DOWNLOAD_TIMEOUT", "0.2");
    hub.fail(/config\.json/, { silence: true });
    await open();
    expect(hub.log.filter(({ path }) => path.includes("config.json"))).toHaveLength(2);
  });
});

describe("bytes that do not match the hash", () => {
  it("are deleted, and the file is downloaded again from its beginning", async () => {
    const { hub, weights } = await startHub();
    hub.fail(/^\/[0-9a-f]{64}$/, { damage: true });
    await open();
    expect(hub.log.filter(({ host }) => host === "cdn").map(({ range }) => range)).toEqual([undefined, undefined]);
    await expectWhole(weights);
  });

  it("are an error the second time, which names the file, the hash and the expected hash", async () => {
    const { hub, blobs } = await startHub();
    hub.fail(/^\/[0-9a-f]{64}$/, { damage: true }, 2);
    const error = await hubError(open());
    expect(error.problem).toBe("corrupt");
    expect(error.message).toMatch(
      /^someone\/vae: diffusion_pytorch_model\.safetensors has the sha256 [0-9a-f]{64}; expected [0-9a-f]{64}$/,
    );
    expect(blobs()).toHaveLength(1);
  });

  it("are detected in a small file by git's hash", async () => {
    const { hub } = await startHub();
    hub.fail(/config\.json/, { damage: true }, 2);
    expect((await hubError(open())).message).toMatch(/config\.json has the git sha1 [0-9a-f]{40}; expected [0-9a-f]{40}/);
  });

  it("are detected among the bytes of an earlier run", async () => {
    const { hub, weights } = await startHub();
    const sha256 = hash("sha256", weights);
    const partial = join(hub.cacheDir, "models--someone--vae/blobs", `${sha256}.incomplete`);
    mkdirSync(dirname(partial), { recursive: true });
    writeFileSync(partial, "not the beginning of this file");
    await open();
    await expectWhole(weights);
  });

  it("are refused if the file is longer than expected", async () => {
    const { hub } = await startHub();
    const endless = { status: 200, body: "x".repeat(5_000_000) };
    hub.fail(/config\.json/, endless, 2);
    expect((await hubError(open())).message).toMatch(/config\.json is longer than its \d+ bytes/);
  });
});

describe("a hub that refuses", () => {
  it.each<[HubProblem, number, Record<string, string>, RegExp]>([
    ["gated", 403, { "x-error-code": "GatedRepo" }, /accept the licence at .*\/someone\/vae and set HF_TOKEN/],
    ["gated", 401, { "x-error-code": "GatedRepo" }, /accept the licence/],
    ["unauthorized", 401, {}, /HF_TOKEN/],
    ["unauthorized", 401, { "x-error-message": "Invalid credentials in Authorization header" }, /HF_TOKEN/],
    ["file-not-found", 404, { "x-error-code": "EntryNotFound" }, /tree\/main/],
    ["rate-limit", 429, { "retry-after": "3600" }, /3600 s.*HF_TOKEN/],
  ])("gives the problem %s for %i %o", async (problem, status, headers, hint) => {
    const { hub } = await startHub();
    hub.fail(/resolve/, { status, headers });
    const error = await hubError(open());
    expect(error.problem).toBe(problem);
    expect(error.hint).toMatch(hint);
    expect(error.message).toContain(ID);
  });

  it("distinguishes a missing repository from a missing revision", async () => {
    await startHub();
    const missing = await hubError(openCheckpoint("nobody/nothing"));
    expect(missing.problem).toBe("repository-not-found");
    expect(missing.message).toMatch(/nobody\/nothing is neither a folder here nor a repository on http/);
    const revision = await hubError(open({ revision: "fp16" }));
    expect(revision.problem).toBe("revision-not-found");
    expect(revision.message).toBe('someone/vae has no revision "fp16"');
  });

  it("is asked again after 500s", async () => {
    const { hub, weights } = await startHub();
    hub.fail(/revision/, { status: 500 });
    hub.fail(/tree/, { status: 503 });
    hub.fail(/resolve.*safetensors/, { status: 502 });
    await open();
    await expectWhole(weights);
  });

  it("is asked again after the time in its answer", async () => {
    const { hub } = await startHub();
    hub.fail(/revision/, { status: 429, headers: { "retry-after": "2" } });
    const start = performance.now();
    await open();
    expect(performance.now() - start).toBeGreaterThanOrEqual(1900);
  });
});

describe("a download", () => {
  it("reads listings of many pages", async () => {
    const { hub, weights } = await startHub();
    hub.pageSize = 1;
    await open();
    await expectWhole(weights);
  });

  it("asks for the size and hash of files if the listing lacks them", async () => {
    const { hub, weights } = await startHub();
    const body = JSON.stringify([
      { type: "file", path: "config.json" },
      { type: "file", path: WEIGHTS, lfs: { oid: hash("sha256", weights), size: weights.length } },
    ]);
    hub.fail(/tree/, { status: 200, body });
    await open();
    expect(hub.log.filter(({ method }) => method === "HEAD")).toHaveLength(1);
    await expectWhole(weights);
  });

  it("does not start if the disk has no room for it", async () => {
    const { hub } = await startHub();
    const lfs = { oid: "a".repeat(64), size: 5e15 };
    const body = JSON.stringify([
      { type: "file", path: "config.json", oid: "b".repeat(40), size: 10 },
      { type: "file", path: WEIGHTS, oid: "c".repeat(40), size: 5e15, lfs },
    ]);
    hub.fail(/tree/, { status: 200, body });
    const error = await hubError(open());
    expect(error.problem).toBe("disk");
    expect(error.message).toMatch(/someone\/vae needs 5000000\.0 GB more; the disk of .* has room for [\d.]+ GB/);
    expect(hub.fetched).toEqual([]);
  });

  it("has a hint for a read-only cache", async () => {
    const { hub } = await startHub();
    mkdirSync(dirname(hub.cacheDir), { recursive: true });
    writeFileSync(hub.cacheDir, "a file where the cache should be");
    const error = await hubError(open());
    expect(error.problem).toBe("disk");
    expect(error.hint).toMatch(/HF_HUB_CACHE/);
  });

  it("reports its progress until the end", async () => {
    const hub = await HubServer.start({ [ID]: "sd1-mini" });
    hub.fail(/^\/[0-9a-f]{64}$/, { slow: 10 }, 3);
    const heard: DownloadProgress[] = [];
    await openCheckpoint(ID, { onProgress: (progress) => void heard.push(progress) });
    const last = heard.at(-1) as DownloadProgress;
    expect(last.loaded).toBe(last.total);
    expect(last.files).toEqual({ done: 11, total: 11 });
    expect(last.secondsLeft).toBe(0);
    expect(heard.every(({ total }) => total === last.total)).toBe(true);
    expect(heard.some(({ bytesPerSecond, secondsLeft }) => bytesPerSecond > 0 && secondsLeft > 0 && Number.isFinite(secondsLeft))).toBe(
      true,
    );
    expect(heard.map(({ loaded }) => loaded)).toEqual(heard.map(({ loaded }) => loaded).sort((a, b) => a - b));
  });

  it("reports nothing if there is nothing to download", async () => {
    await startHub();
    await open();
    const heard: DownloadProgress[] = [];
    await open({ onProgress: (progress: DownloadProgress) => void heard.push(progress) });
    expect(heard).toEqual([]);
  });

  it("stops when the signal aborts", async () => {
    const { hub } = await startHub();
    hub.fail(/revision/, { silence: true });
    await expect(open({ signal: AbortSignal.timeout(50) })).rejects.toThrow(/timeout/);
  });

  it("happens once if two processes want the same file, and both get the whole file", async () => {
    const { hub, weights } = await startHub();
    hub.fail(/^\/[0-9a-f]{64}$/, { slow: 20 }, 2);
    const both = await Promise.all([openElsewhere(), openElsewhere(), open()]);
    expect([both[0].stdout, both[1].stdout].map(Number)).toEqual([weights.length, weights.length]);
    expect(hub.log.filter(({ host }) => host === "cdn")).toHaveLength(1);
    await expectWhole(weights);
  });

  it("does not wait for the lock of a process that has ended", async () => {
    const { hub, weights } = await startHub();
    const { child } = openElsewhere();
    await new Promise((resolve) => child.once("exit", resolve));
    const sha256 = hash("sha256", weights);
    rmSync(join(hub.cacheDir, "models--someone--vae"), { recursive: true });
    writeFileSync(join(hub.cacheDir, ".locks/models--someone--vae", `${sha256}.darkroom.lock`), `${child.pid} ${hostname()}`);
    await open();
    await expectWhole(weights);
  });
});
