import { createHash, randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { gitHash, hashOfBlob, Sha256, sha256 } from "../../../src/platform/web/hash.js";

describe("hashes of a browser", () => {
  it.each([0, 1, 55, 56, 63, 64, 65, 119, 120, 1000, 100_003])("are Node's for %i bytes, in parts of any size", async (size) => {
    const bytes = randomBytes(size);
    const expected = createHash("sha256").update(bytes).digest("hex");
    for (const part of [1, 7, 64, 100, 1 << 16]) {
      const hash = new Sha256();
      for (let at = 0; at < size; at += part) hash.update(bytes.subarray(at, at + part));
      expect(hash.digest()).toBe(expected);
    }
    expect(await hashOfBlob(new Blob([bytes]))).toBe(expected);
    expect(
      await sha256(
        (async function* () {
          yield bytes;
        })(),
      ),
    ).toBe(expected);
  });

  it("are git's for small files", async () => {
    // `printf hello | git hash-object --stdin`
    expect(await gitHash(new Blob(["hello"]))).toBe("b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0");
  });
});
