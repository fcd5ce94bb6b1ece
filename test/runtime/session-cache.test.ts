import { describe, expect, it } from "vitest";
import { DeviceError } from "../../src/errors.js";
import type { Session } from "../../src/runtime/session.js";
import { SessionCache } from "../../src/runtime/session-cache.js";

/** Sessions that only say when they were loaded and released. */
function fakeSessions() {
  const log: string[] = [];
  const load = (key: string) => async (): Promise<Session> => {
    log.push(`load ${key}`);
    return {
      run: async () => ({}),
      release: async () => {
        log.push(`release ${key}`);
      },
    };
  };
  return { log, load };
}

const nothing = async () => {};

/** A promise, and the function that resolves it. */
function gate() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

describe("SessionCache", () => {
  it("loads a session once if it is used twice", async () => {
    const { log, load } = fakeSessions();
    const cache = new SessionCache(2);
    await cache.use("a", load("a"), nothing);
    await cache.use("a", load("a"), nothing);
    expect(log).toEqual(["load a"]);
  });

  it("loads a session once if it is used twice at the same time", async () => {
    const { log, load } = fakeSessions();
    const cache = new SessionCache(2);
    await Promise.all([cache.use("a", load("a"), nothing), cache.use("a", load("a"), nothing)]);
    expect(log).toEqual(["load a"]);
  });

  it("releases the least recently used session before it loads one more than its limit", async () => {
    const { log, load } = fakeSessions();
    const cache = new SessionCache(2);
    for (const key of ["a", "b", "a", "c"]) await cache.use(key, load(key), nothing);
    expect(log).toEqual(["load a", "load b", "release b", "load c"]);
  });

  it("keeps more than its limit if more are used in turn", async () => {
    const { log, load } = fakeSessions();
    const cache = new SessionCache(1);
    for (const key of ["a", "b", "a", "b"]) await cache.use(key, load(key), nothing, 2);
    expect(log).toEqual(["load a", "load b"]);
    await cache.use("c", load("c"), nothing);
    expect(log.slice(2)).toEqual(["release a", "release b", "load c"]);
  });

  it("does not release a session in use, and returns to its limit afterwards", async () => {
    const { log, load } = fakeSessions();
    const cache = new SessionCache(1);
    const { opened, open } = gate();
    const long = cache.use("a", load("a"), () => opened);
    await cache.use("b", load("b"), nothing);
    expect(log).toEqual(["load a", "load b", "release b"]);
    open();
    await long;
    expect(log).toEqual(["load a", "load b", "release b"]);
    await cache.use("c", load("c"), nothing);
    expect(log.slice(3)).toEqual(["release a", "load c"]);
  });

  it("loads a session again after it failed to load", async () => {
    const { log, load } = fakeSessions();
    const cache = new SessionCache(2);
    await expect(cache.use("a", () => Promise.reject(new Error("no memory")), nothing)).rejects.toThrow("no memory");
    await cache.use("a", load("a"), nothing);
    expect(log).toEqual(["load a"]);
  });

  it("passes a failure to load only to the call that needs that session", async () => {
    const { load } = fakeSessions();
    const cache = new SessionCache(1);
    const failing = cache.use("a", () => Promise.reject(new Error("no memory")), nothing);
    const [first, second] = await Promise.allSettled([failing, cache.use("b", load("b"), nothing)]);
    expect([first?.status, second?.status]).toEqual(["rejected", "fulfilled"]);
  });

  it("releases everything on dispose, and refuses further use", async () => {
    const { log, load } = fakeSessions();
    const cache = new SessionCache(2);
    await cache.use("a", load("a"), nothing);
    await cache.use("b", load("b"), nothing);
    await cache.dispose();
    expect(log.slice(2)).toEqual(["release a", "release b"]);
    await expect(cache.use("a", load("a"), nothing)).rejects.toThrow(new DeviceError("the pipeline or model was disposed"));
  });

  it("can be disposed twice", async () => {
    const { log, load } = fakeSessions();
    const cache = new SessionCache(2);
    await cache.use("a", load("a"), nothing);
    await Promise.all([cache.dispose(), cache.dispose()]);
    expect(log).toEqual(["load a", "release a"]);
  });
});
