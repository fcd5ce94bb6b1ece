import { describe, expect, it } from "vitest";
import type { DownloadProgress } from "../../src/checkpoint/source.js";
import { DownloadMeter } from "../../src/hub/download-meter.js";

/** A meter with a clock that stands still until it is set. */
function meter(): { meter: DownloadMeter; heard: DownloadProgress[]; clock: { now: number } } {
  const heard: DownloadProgress[] = [];
  const clock = { now: 0 };
  return {
    meter: new DownloadMeter(
      (progress) => void heard.push(progress),
      () => clock.now,
    ),
    heard,
    clock,
  };
}

describe("DownloadMeter", () => {
  it("adds up all files, with the bytes of earlier runs", () => {
    const { meter: files, heard } = meter();
    files.expect(1000, 300);
    files.expect(500, 0);
    files.start();
    files.add("a", 100);
    expect(heard.at(-1)).toMatchObject({ file: "a", loaded: 400, total: 1500, files: { done: 0, total: 2 } });
  });

  it("computes speed and time left from received bytes only", () => {
    const { meter: files, heard, clock } = meter();
    files.expect(10_000, 5000);
    files.start();
    clock.now = 2000;
    files.add("a", 1000);
    expect(heard.at(-1)).toMatchObject({ bytesPerSecond: 500, secondsLeft: 8 });
  });

  it("forgets the speed of more than ten seconds ago", () => {
    const { meter: files, heard, clock } = meter();
    files.expect(1e6, 0);
    files.start();
    for (let second = 1; second <= 40; second++) {
      clock.now = second * 1000;
      files.add("a", second <= 20 ? 10_000 : 100);
    }
    expect(heard.at(-1)?.bytesPerSecond).toBe(100);
  });

  it("reports at most ten times a second, and always when a file is complete", () => {
    const { meter: files, heard, clock } = meter();
    files.expect(1000, 0);
    files.start();
    for (clock.now = 0; clock.now < 1000; clock.now++) files.add("a", 1);
    expect(heard).toHaveLength(10);
    files.finish("a", 0);
    expect(heard.at(-1)).toMatchObject({ loaded: 1000, secondsLeft: 0, files: { done: 1, total: 1 } });
  });

  it("reports nothing before all files are known", () => {
    const { meter: files, heard } = meter();
    files.expect(10, 0);
    files.add("index", 10);
    files.finish("index", 0);
    expect(heard).toEqual([]);
  });

  it("subtracts damaged bytes", () => {
    const { meter: files, heard, clock } = meter();
    files.expect(100, 0);
    files.start();
    files.add("a", 100);
    files.add("a", -100);
    clock.now = 1000;
    files.add("a", 40);
    expect(heard.at(-1)?.loaded).toBe(40);
  });

  it("counts bytes that another process downloaded", () => {
    const { meter: files, heard } = meter();
    files.expect(100, 0);
    files.start();
    files.finish("a", 100);
    expect(heard.at(-1)).toMatchObject({ loaded: 100, total: 100 });
  });
});
