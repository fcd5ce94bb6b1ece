import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { DeviceError } from "../../src/errors.js";
import { fetchCudaLibraries, hasCudaLibraries, removeOtherPlatforms } from "../../src/platform/node/runtime-files.js";
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

  it("has CUDA's libraries only if both files exist and are not empty, as the install leaves them", () => {
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

  describe.runIf(process.platform === "linux" && process.arch === "x64")("gets CUDA's libraries from its install script", () => {
    const SHARED = `${OWN}/libonnxruntime_providers_shared.so`;
    const CUDA = `${OWN}/libonnxruntime_providers_cuda.so`;
    const withScript = (script: string) => temporaryFolder({ "script/install.js": script, [SHARED]: "", [CUDA]: "" });

    it("told to replace the empty files, even if the environment says that nothing is to be installed", async () => {
      const folder = withScript(`if (process.env.ONNXRUNTIME_NODE_INSTALL === "1")
        for (const name of [${JSON.stringify(SHARED)}, ${JSON.stringify(CUDA)}]) require("node:fs").writeFileSync(require("node:path").join(__dirname, "..", name), "library");`);
      vi.stubEnv("ONNXRUNTIME_NODE_INSTALL", "skip");
      await fetchCudaLibraries(folder);
      vi.unstubAllEnvs();
      expect(hasCudaLibraries(folder)).toBe(true);
    });

    it("and the error says why they could not be fetched", async () => {
      const message = "CUDA's libraries could not be fetched:";
      const unreachable = withScript('throw new Error("getaddrinfo ENOTFOUND api.nuget.org");');
      await expect(fetchCudaLibraries(unreachable)).rejects.toThrow(`${message} getaddrinfo ENOTFOUND api.nuget.org`);
      await expect(fetchCudaLibraries(withScript(""))).rejects.toThrow(`${message} onnxruntime-node's install script ended without them`);
      await expect(fetchCudaLibraries(withScript("process.exit(3)"))).rejects.toThrow(
        `${message} onnxruntime-node's install script ended with 3`,
      );
      await expect(fetchCudaLibraries(unreachable)).rejects.toThrow(DeviceError);
    });
  });
});
