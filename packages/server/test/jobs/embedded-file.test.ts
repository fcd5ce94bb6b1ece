import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { QueueFileError } from "../../src/index.js";
import { loadSqlite } from "../../src/jobs/embedded/database.js";
import { openEmbeddedJobs } from "../../src/jobs/embedded/embedded-jobs.js";
import { EmbeddedStorage } from "./embedded-storage.js";
import { NEW_JOB } from "./hand-work.js";
import { startQueueProcess } from "./queue-process.js";

describe("the file of the embedded queue", () => {
  let storage: EmbeddedStorage;
  beforeEach(async () => {
    storage = await EmbeddedStorage.make();
    await mkdir(dirname(storage.path), { recursive: true });
  });
  afterEach(() => storage.dispose());

  it("is one file when the queue is closed", async () => {
    const jobs = await storage.open();
    await jobs.submit(NEW_JOB, { owner: "ann" });
    await jobs.close();
    expect(await storage.files()).toEqual(["jobs.db"]);
  });

  it("is refused in a version that is newer", async () => {
    await (await storage.open()).close();
    const database = new (await loadSqlite()).DatabaseSync(storage.path);
    database.exec("PRAGMA user_version = 99");
    database.close();
    const opened = storage.open();
    await expect(opened).rejects.toBeInstanceOf(QueueFileError);
    await expect(opened).rejects.toThrow(
      `${storage.path} has version 99 of the queue's format; this darkroom-server knows versions up to 1`,
    );
  });

  it("is refused, and left alone, if it is another program's", async () => {
    const database = new (await loadSqlite()).DatabaseSync(storage.path);
    database.exec("CREATE TABLE notes (text TEXT)");
    database.close();
    const before = await readFile(storage.path);
    await expect(storage.open()).rejects.toThrow(`${storage.path} is a database of another program`);
    expect(await readFile(storage.path)).toEqual(before);
    await writeFile(storage.path, "no database, but some text that is long enough to be one".repeat(100));
    await expect(storage.open()).rejects.toThrow(`${storage.path} is not a database`);
  });

  it("is refused if it cannot be opened", async () => {
    const opened = openEmbeddedJobs(dirname(storage.path));
    await expect(opened).rejects.toBeInstanceOf(QueueFileError);
    await expect(opened).rejects.toThrow(`${dirname(storage.path)} cannot be opened`);
  });

  it("has one process at a time, whatever way the last one ended", async () => {
    const first = startQueueProcess(storage.path);
    await first.line("open");
    const refused = storage.open();
    await expect(refused).rejects.toBeInstanceOf(QueueFileError);
    await expect(refused).rejects.toThrow(`${storage.path} is in use by another process`);
    await first.kill();
    const jobs = await storage.open();
    const second = startQueueProcess(storage.path);
    expect(await second.line("refused")).toContain("QueueFileError");
    await second.kill();
    await expect(storage.open()).rejects.toThrow("in use");
    await jobs.close();
    await (await storage.open()).close();
  });
});
