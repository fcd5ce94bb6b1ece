import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { toHttpError } from "../../src/http/http-error.js";
import { loadSqlite } from "../../src/jobs/embedded/database.js";
import { openEmbeddedJobs } from "../../src/jobs/embedded/embedded-jobs.js";
import { JobTable } from "../../src/jobs/embedded/job-table.js";
import { FolderStore } from "../../src/results/folder-store.js";
import { HandWork, NEW_JOB } from "../jobs/hand-work.js";
import { MemoryStore } from "../memory-store.js";
import { testServer } from "./test-server.js";

it("a full disk is told to clients, who can try again later", async () => {
  const database = new (await loadSqlite()).DatabaseSync(":memory:");
  database.exec("CREATE TABLE jobs (text TEXT); PRAGMA max_page_count = 3");
  const fill = () => database.exec(`INSERT INTO jobs VALUES ('${"x".repeat(100_000)}')`);
  const errors = [caught(fill), Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" })];
  for (const { status, code, message, hint, headers } of errors.map((error) => toHttpError(error))) {
    expect({ status, code, message }).toEqual({ status: 507, code: "disk_full", message: "the server's disk is full" });
    expect(hint).toContain("free space");
    expect(headers).toEqual({ "x-should-retry": "true", "retry-after": "60" });
  }
});

const fullDisk = () => Object.assign(new Error("database or disk is full"), { errcode: 13 });

describe("/ready on a full disk", () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  async function serve(results = new MemoryStore()) {
    const errors: unknown[] = [];
    const jobs = await openEmbeddedJobs(":memory:", { onError: (error) => errors.push(error) });
    onTestFinished(() => jobs.close());
    const { app } = testServer({ jobs, results });
    const ready = async () => {
      const reply = await app.request("http://localhost/ready");
      return [reply.status, await reply.json()];
    };
    return { jobs, ready, errors };
  }

  const NOT_READY = [503, { status: "not ready", reason: "disk_full" }];
  const READY = [200, { status: "ready" }];

  it("says so while a job cannot be accepted, and takes jobs when there is room again", async () => {
    const { jobs, ready } = await serve();
    vi.spyOn(JobTable.prototype, "add").mockImplementationOnce(() => {
      throw fullDisk();
    });
    const touch = vi.spyOn(JobTable.prototype, "touch").mockImplementation(() => {
      throw fullDisk();
    });
    expect(await ready()).toEqual(READY);
    await expect(jobs.submit(NEW_JOB, { owner: "ann" })).rejects.toThrow("disk is full");
    expect([await ready(), await ready()]).toEqual([NOT_READY, NOT_READY]);
    touch.mockRestore();
    expect([await ready(), await ready()]).toEqual([READY, READY]);
    await jobs.submit(NEW_JOB, { owner: "ann" });
    expect(await ready()).toEqual(READY);
  });

  it("says so while the end of a job cannot be recorded", async () => {
    const { jobs, ready, errors } = await serve();
    const work = new HandWork();
    jobs.work(work.handler, { slots: 1 });
    const { id } = await jobs.submit(NEW_JOB, { owner: "ann" });
    const run = await work.next();
    const end = vi.spyOn(JobTable.prototype, "end").mockImplementation(() => {
      throw fullDisk();
    });
    run.finish();
    await vi.waitFor(() => expect(errors).not.toEqual([]), 20_000);
    expect(await ready()).toEqual(NOT_READY);
    end.mockRestore();
    await vi.waitFor(async () => expect((await jobs.get(id))?.state).toBe("done"), 20_000);
    expect(await ready()).toEqual(READY);
  });

  it("says so while pictures cannot be stored", async () => {
    const folder = await mkdtemp(join(tmpdir(), "darkroom-full-"));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const store = await FolderStore.open(folder);
    const { app } = testServer({ results: store });
    const ready = async () => (await app.request("http://localhost/ready")).status;
    await rm(join(folder, "unfinished"), { recursive: true });
    await expect(store.put(Buffer.from("a"))).rejects.toThrow("ENOENT");
    expect(await ready()).toBe(503);
    await FolderStore.open(folder);
    expect(await ready()).toBe(200);
    await store.put(Buffer.from("a"));
    expect(await ready()).toBe(200);
  });
});

function caught(work: () => void): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  return undefined;
}
