import { afterEach, describe, expect, it, vi } from "vitest";
import { openRedisJobs } from "../../src/index.js";

describe("a queue on Redis", () => {
  afterEach(() => vi.doUnmock("bullmq"));

  it("says how its packages are installed where they are missing", async () => {
    vi.doMock("bullmq", () => {
      throw new Error("Cannot find package 'bullmq'");
    });
    await expect(openRedisJobs("redis://127.0.0.1:1")).rejects.toMatchObject({
      name: "RedisQueueError",
      hint: "npm install bullmq ioredis",
    });
  });

  it("says which server cannot be reached, without its password", async () => {
    const error = await openRedisJobs("redis://ann:secret@127.0.0.1:1/2").catch((error: unknown) => error);
    expect(error).toMatchObject({
      name: "RedisQueueError",
      message: expect.stringMatching(/^Redis at 127\.0\.0\.1:1\/2 cannot be reached: .*ECONNREFUSED/),
    });
    expect(String(error)).not.toContain("secret");
  });
});
