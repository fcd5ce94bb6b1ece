import { afterAll, beforeAll, describe } from "vitest";
import { testJobs } from "./conformance.js";
import { HAS_REDIS, RedisServer } from "./redis-server.js";
import { RedisStorage } from "./redis-storage.js";

describe.skipIf(!HAS_REDIS)("with redis-server", () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await RedisServer.start();
  });
  afterAll(() => server.dispose());

  testJobs("the queue on Redis", async () => new RedisStorage(server));
});
