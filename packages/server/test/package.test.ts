import { describe, expect, it } from "vitest";
import { QueueFullError } from "../src/index.js";

describe("the server's package", () => {
  it("says how many jobs wait when the queue is full", () => {
    expect(new QueueFullError(5, 10).message).toBe("5 jobs are waiting, as many as the server takes");
  });
});
