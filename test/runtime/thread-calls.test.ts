import { describe, expect, it } from "vitest";
import { type Call, ThreadCalls } from "../../src/runtime/thread-calls.js";

const release = (session: number) => ({ kind: "release", session }) as const;

/** Calls, and what was sent. */
function collecting(): { calls: ThreadCalls; sent: Call[] } {
  const sent: Call[] = [];
  return { calls: new ThreadCalls((call) => sent.push(call)), sent };
}

describe("calls to a thread", () => {
  it("get the answer with their number, in any order", async () => {
    const { calls, sent } = collecting();
    const answers = [calls.ask(release(1)), calls.ask(release(2))];
    for (const { id } of sent.toReversed()) calls.settle({ id, session: 10 * id });
    expect((await Promise.all(answers)).map(({ session }) => session)).toEqual(sent.map(({ id }) => 10 * id));
    expect(calls.pending).toBe(0);
  });

  it("fail with the thread's message", async () => {
    const { calls, sent } = collecting();
    const answer = calls.ask(release(1));
    calls.settle({ id: sent[0]?.id ?? 0, error: "session 1 was released" });
    await expect(answer).rejects.toThrow(new Error("session 1 was released"));
  });

  it("fail if they cannot be sent, and wait for nothing", async () => {
    const calls = new ThreadCalls(() => {
      throw new Error("the buffer was transferred before");
    });
    await expect(calls.ask(release(1))).rejects.toThrow("the buffer was transferred before");
    expect(calls.pending).toBe(0);
  });

  it("are refused after the end; those in progress still get their answers", async () => {
    const { calls, sent } = collecting();
    const answer = calls.ask(release(1));
    calls.refuse(new Error("disposed"));
    await expect(calls.ask(release(2))).rejects.toThrow("disposed");
    calls.settle({ id: sent[0]?.id ?? 0, session: 1 });
    expect((await answer).session).toBe(1);
  });

  it("in progress are rejected if the thread fails, with the first reason", async () => {
    const { calls } = collecting();
    const answer = calls.ask(release(1));
    calls.refuse(new Error("first"));
    calls.fail(new Error("second"));
    await expect(answer).rejects.toThrow("first");
  });
});
