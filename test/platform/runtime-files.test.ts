import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { hasCudaLibraries, removeOtherPlatforms } from "../../src/platform/runtime-files.js";
import { temporaryFolder } from "../helpers/temporary.js";

const OWN = `bin/napi-v6/${process.platform}/${process.arch}`;

describe("what onnxruntime-node carries", () => {
  it("of other platforms is removed, and nothing else", () => {
    const folder = temporaryFolder({
      [`${OWN}/onnxruntime_binding.node`]: "own",
      "bin/napi-v6/plan9/mips/onnxruntime_binding.node": "12345",
      "bin/napi-v6/plan9/vax/onnxruntime_binding.node": "123",
      "bin/napi-v6/plan9/vax/more/library.so": "4567",
      "dist/index.js": "",
    });
    expect(removeOtherPlatforms(folder)).toEqual([
      { platform: "plan9-mips", bytes: 5 },
      { platform: "plan9-vax", bytes: 7 },
    ]);
    expect(existsSync(join(folder, OWN, "onnxruntime_binding.node"))).toBe(true);
    expect(existsSync(join(folder, "dist/index.js"))).toBe(true);
    expect(existsSync(join(folder, "bin/napi-v6/plan9/mips"))).toBe(false);
    expect(removeOtherPlatforms(folder)).toEqual([]);
  });

  it("has CUDA's libraries only if both are there, and not the empty files that the install leaves", () => {
    const folder = temporaryFolder({ [`${OWN}/onnxruntime_binding.node`]: "own" });
    const write = (name: string, text: string) => writeFileSync(join(folder, OWN, `libonnxruntime_providers_${name}.so`), text);
    expect(hasCudaLibraries(folder)).toBe(false);
    write("cuda", "");
    write("shared", "");
    expect(hasCudaLibraries(folder)).toBe(false);
    write("cuda", "library");
    expect(hasCudaLibraries(folder)).toBe(false);
    write("shared", "library");
    expect(hasCudaLibraries(folder)).toBe(true);
  });
});
