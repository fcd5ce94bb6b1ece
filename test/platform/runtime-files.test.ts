import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { deflateRawSync } from "node:zlib";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { DeviceError } from "../../src/errors.js";
import { loadCudaLibraries, packageOf } from "../../src/platform/node/cuda-libraries.js";
import { neededLibraries } from "../../src/platform/node/elf.js";
import { fetchCudaLibraries, hasCudaLibraries, removeOtherPlatforms } from "../../src/platform/node/runtime-files.js";
import { temporaryFolder } from "../helpers/temporary.js";

/** A small library of the system, to be loaded under another name. */
const { sharedObjects = [] } = process.report.getReport() as { readonly sharedObjects?: readonly string[] };
const ANY_LIBRARY = sharedObjects.find((path) => /lib(dl|pthread)\.so/.test(path)) ?? "";

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

  describe.runIf(process.platform === "linux" && process.arch === "x64")("gets CUDA's libraries from a package index", () => {
    const LIBRARIES = ["libonnxruntime_providers_shared.so", "libonnxruntime_providers_cuda.so"];
    const PROVIDER = {
      "onnxruntime/capi/libonnxruntime_providers_shared.so": "shared",
      "onnxruntime/capi/libonnxruntime_providers_cuda.so": "cuda",
    };
    const wheelName = (version: string) => `onnxruntime_gpu-${version}-cp312-cp312-manylinux_2_28_x86_64.whl`;
    const runtimeFolder = () =>
      temporaryFolder({ "package.json": '{"version":"1.30.0"}', ...Object.fromEntries(LIBRARIES.map((name) => [`${OWN}/${name}`, ""])) });
    const read = (folder: string, name: string) => readFileSync(join(folder, OWN, name), "utf8");

    it("in the version of the runtime, for Linux on x64, and removes the download", async () => {
      const others = {
        [wheelName("1.29.0")]: zip({ "a/libonnxruntime_providers_cuda.so": "old" }),
        "onnxruntime_gpu-1.30.0-cp312-cp312-win_amd64.whl": zip({}),
      };
      const index = await packageIndex({
        "onnxruntime-gpu": { ...others, [wheelName("1.30.0")]: zip({ "a/other.so": "no", ...PROVIDER }) },
      });
      const folder = runtimeFolder();
      const onDownload = vi.fn();
      await fetchCudaLibraries({ folder, index, onDownload }).catch(() => undefined);
      expect(LIBRARIES.map((name) => read(folder, name))).toEqual(["shared", "cuda"]);
      expect(readdirSync(join(folder, OWN)).filter((name) => /whl|part|other/.test(name))).toEqual([]);
      expect(onDownload).toHaveBeenNthCalledWith(1, wheelName("1.30.0"), expect.any(Number));
    });

    it("and NVIDIA's that the loader does not find, in the newest version of their kind", async () => {
      const cudnn = (version: string) => [
        `nvidia_cudnn_cu13-${version}-py3-none-manylinux_2_27_x86_64.whl`,
        zip({ "nvidia/cudnn/lib/libcudnn.so.9": version, "nvidia/cudnn/lib/libcudnn_graph.so.9": "g", "nvidia/cudnn/include/cudnn.h": "" }),
      ];
      const index = await packageIndex({
        "onnxruntime-gpu": { [wheelName("1.30.0")]: zip(PROVIDER) },
        "nvidia-cudnn-cu13": Object.fromEntries([cudnn("9.9.1"), cudnn("9.28.0"), cudnn("10.1.0")]),
      });
      const folder = runtimeFolder();
      await fetchCudaLibraries({ folder, index });
      expect(read(folder, "libcudnn.so.9")).toBe("9.28.0");
      expect(existsSync(join(folder, OWN, "libcudnn_graph.so.9"))).toBe(true);
      expect(existsSync(join(folder, OWN, "cudnn.h"))).toBe(false);
    });

    it("and the error says why they could not be fetched", async () => {
      const failing = async (index: string) => {
        await expect(fetchCudaLibraries({ folder: runtimeFolder(), index })).rejects.toThrow(DeviceError);
        return fetchCudaLibraries({ folder: runtimeFolder(), index }).catch((error: Error) => error.message);
      };
      expect(await failing("http://127.0.0.1:9/simple")).toMatch(
        /^CUDA's libraries could not be fetched: 127.0.0.1:9: .*ECONNREFUSED|bad port/,
      );
      expect(await failing(await packageIndex({}))).toMatch(/could not be fetched: http.*onnxruntime-gpu\/ answers with status 404/);
      expect(await failing(await packageIndex({ "onnxruntime-gpu": { [wheelName("1.29.0")]: zip({}) } }))).toMatch(
        /has no onnxruntime-gpu 1.30.0 for Linux on x64/,
      );
      expect(await failing(await packageIndex({ "onnxruntime-gpu": { [wheelName("1.30.0")]: zip({}) } }))).toBe(
        "the package onnxruntime-gpu has no libonnxruntime_providers_shared.so, libonnxruntime_providers_cuda.so",
      );
      expect(await failing(await packageIndex({ "onnxruntime-gpu": { [wheelName("1.30.0")]: Buffer.from("no zip") } }))).toMatch(
        /is no zip archive/,
      );
      expect(await failing(await packageIndex({ "onnxruntime-gpu": { [wheelName("1.30.0")]: zip(PROVIDER) } }, "0".repeat(64)))).toMatch(
        /is not what the index says \(SHA-256\)/,
      );
    });
  });
});

describe.runIf(ANY_LIBRARY !== "" && process.platform === "linux")("the loader", () => {
  it("is asked for the libraries that a provider needs, and all that are missing are named", () => {
    const folder = temporaryFolder({
      "libonnxruntime_providers_cuda.so": library(["libcublasLt.so.999", "libc.so.6", "libcudart.so.999"]),
    });
    expect(neededLibraries(join(folder, "libonnxruntime_providers_cuda.so"))).toEqual([
      "libcublasLt.so.999",
      "libc.so.6",
      "libcudart.so.999",
    ]);
    expect(loadCudaLibraries(folder)).toMatch(/^libcublasLt.so.999, libcudart.so.999(, libcudnn.so.9)?: cannot open shared object file/);
  });

  it("finds those that lie beside the provider", () => {
    const folder = temporaryFolder({
      "libonnxruntime_providers_cuda.so": library(["libcublasLt.so.999"]),
      "libcublasLt.so.999": readFileSync(ANY_LIBRARY),
      "libcudnn.so.9": readFileSync(ANY_LIBRARY),
    });
    expect(loadCudaLibraries(folder)).toBeUndefined();
  });

  it("says what is wrong with a library that it cannot load", () => {
    const folder = temporaryFolder({
      "libonnxruntime_providers_cuda.so": library(["libcublasLt.so.999"]),
      "libcublasLt.so.999": "",
      "libcudnn.so.9": readFileSync(ANY_LIBRARY),
    });
    expect(loadCudaLibraries(folder)).toMatch(/libcublasLt.so.999: file too short/);
  });

  it("is not asked about files that are no libraries", () => {
    const folder = temporaryFolder({ empty: "", text: "x".repeat(200), cut: library(["libcudart.so.13"]).subarray(0, 100) });
    for (const name of ["empty", "text", "cut"]) expect(neededLibraries(join(folder, name))).toEqual([]);
  });

  it.each([
    ["libcublasLt.so.13", "nvidia-cublas", "13."],
    ["libcurand.so.10", "nvidia-curand", "10."],
    ["libcudart.so.13", "nvidia-cuda-runtime", "13."],
    ["libcudnn.so.9", "nvidia-cudnn-cu13", "9."],
  ])("%s comes from %s", (library, name, version) => {
    const wanted = packageOf(library);
    expect(wanted).toMatchObject({ name, version });
    expect(wanted?.takes(library)).toBe(true);
  });

  it("has no package for the driver's library, nor for those of older CUDA", () => {
    for (const library of ["libcuda.so.1", "libcudart.so.12", "libc.so.6"]) expect(packageOf(library)).toBeUndefined();
  });
});

/** A shared library's headers: it needs these libraries. */
function library(needed: readonly string[]): Buffer {
  const strings = Buffer.from(`\0${needed.join("\0")}\0`);
  const entries = [
    ...needed.map((_, i) => [1, 1 + needed.slice(0, i).join("\0").length + (i > 0 ? 1 : 0)]),
    [5, 0x5000],
    [10, strings.length],
    [0, 0],
  ];
  const [programs, dynamic] = [64, 64 + 2 * 56];
  const text = dynamic + 16 * entries.length;
  const file = Buffer.alloc(text + strings.length);
  file.write("\x7fELF\x02\x01", "latin1");
  file.writeBigUInt64LE(BigInt(programs), 32);
  file.writeUInt16LE(2, 56);
  const segment = (i: number, kind: number, offset: number, address: number, bytes: number) => {
    const at = programs + 56 * i;
    file.writeUInt32LE(kind, at);
    for (const [j, value] of [offset, address].entries()) file.writeBigUInt64LE(BigInt(value), at + 8 + 8 * j);
    file.writeBigUInt64LE(BigInt(bytes), at + 32);
  };
  segment(0, 1, text, 0x5000, strings.length);
  segment(1, 2, dynamic, 0x9000, 16 * entries.length);
  for (const [i, value] of entries.flat().entries()) file.writeBigUInt64LE(BigInt(value), dynamic + 8 * i);
  strings.copy(file, text);
  return file;
}

/** A zip archive of deflated and stored files in turn. */
function zip(files: Readonly<Record<string, string>>): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [i, [name, text]] of Object.entries(files).entries()) {
    const content = i % 2 === 0 ? deflateRawSync(text) : Buffer.from(text);
    const [local, entry] = [Buffer.alloc(30), Buffer.alloc(46)];
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(name.length, 26);
    local.writeUInt16LE(3, 28);
    entry.writeUInt32LE(0x02014b50, 0);
    entry.writeUInt16LE(i % 2 === 0 ? 8 : 0, 10);
    entry.writeUInt32LE(content.length, 20);
    entry.writeUInt16LE(name.length, 28);
    entry.writeUInt32LE(offset, 42);
    const whole = Buffer.concat([local, Buffer.from(`${name}abc`), content]);
    parts.push(whole);
    directory.push(entry, Buffer.from(name));
    offset += whole.length;
  }
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(Object.keys(files).length, 10);
  end.writeUInt32LE(Buffer.concat(directory).length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, ...directory, end]);
}

/** A package index with these wheels; with `sha256`, it says that of each. */
async function packageIndex(packages: Readonly<Record<string, Readonly<Record<string, Buffer>>>>, sha256?: string): Promise<string> {
  const server = createServer((request, response) => {
    const [, , name = "", file] = (request.url ?? "").split("/");
    const wheels = packages[name];
    if (!wheels) return response.writeHead(404).end();
    if (file) return response.end(wheels[file]);
    const files = Object.entries(wheels).map(([filename, content]) => ({
      filename,
      url: filename,
      size: content.length,
      hashes: { sha256: sha256 ?? createHash("sha256").update(content).digest("hex") },
    }));
    return response.end(JSON.stringify({ files }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/simple`;
}
