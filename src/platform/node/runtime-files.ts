import { existsSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { DeviceError } from "../../errors.js";
import { messageOf } from "../../message-of.js";
import { loadCudaLibraries, missingLibraries, PROVIDER_LIBRARIES, packageOf } from "./cuda-libraries.js";
import { fetchFromWheel, type WantedFiles } from "./wheels.js";

// The files of the package onnxruntime-node: binaries of every platform, in bin/napi-v6/<platform>/<arch>. CUDA's libraries are not in the
// package; its install script downloads them from NuGet. Installing Darkroom prevents the download: scripts/skip-cuda-download.mjs writes
// empty files with the libraries' names.

/** One platform's binaries. */
export interface PlatformBinaries {
  /** As in "linux-x64". */
  readonly platform: string;
  readonly bytes: number;
}

/** Whether the runtime's CUDA libraries are installed. */
export function hasCudaLibraries(folder: string = runtimeFolder()): boolean {
  const own = ownBinaries(folder);
  return own !== undefined && PROVIDER_LIBRARIES.every((name) => bytesOf(join(own, name)) > 0);
}

/**
 * What keeps CUDA from working, as far as that can be seen without starting it; undefined if nothing does. Loads NVIDIA's libraries, if
 * those of the runtime are installed.
 */
export function cudaProblem(folder: string = runtimeFolder()): string | undefined {
  const own = ownBinaries(folder);
  return own !== undefined && hasCudaLibraries(folder) ? loadCudaLibraries(own) : "the runtime's CUDA libraries are not installed";
}

/** Where CUDA's libraries come from. */
export interface CudaSource {
  /** onnxruntime-node's folder. */
  readonly folder?: string;
  /** The address of a package index with PyPI's packages; by default that of PIP_INDEX_URL, else PyPI. */
  readonly index?: string;
  /** Called with the name and size of each package before it is downloaded. */
  readonly onDownload?: (file: string, bytes: number | undefined) => void;
}

/**
 * Fetches the runtime's CUDA libraries, and those of NVIDIA's that the loader does not find, from Python's package index: the package
 * `onnxruntime-gpu` has the runtime's, in the same version. Nothing is fetched that is there.
 * @throws DeviceError if there are none for this platform, or they cannot be fetched.
 */
export async function fetchCudaLibraries({ folder = runtimeFolder(), index = indexAddress(), onDownload }: CudaSource = {}): Promise<void> {
  const own = ownBinaries(folder);
  if (OWN_PLATFORM !== "linux-x64" || own === undefined) {
    throw new DeviceError(`onnxruntime-node has no CUDA libraries for ${OWN_PLATFORM}; it has them for linux-x64`, {
      hint: "npx darkroom devices lists the devices that work here",
    });
  }
  const fetchFiles = async (wanted: WantedFiles, files: readonly string[]) => {
    const fetched = await fetchFromWheel(wanted, { index, folder: own, onDownload }).catch((cause: unknown) => {
      throw new DeviceError(`CUDA's libraries could not be fetched: ${messageOf(cause)}`, {
        cause,
        hint: `they come from a Python package index (${index}; PIP_INDEX_URL names another), not from the npm registry`,
      });
    });
    const absent = files.filter((file) => !fetched.includes(file));
    if (absent.length > 0) throw new DeviceError(`the package ${wanted.name} has no ${absent.join(", ")}`);
  };
  if (!hasCudaLibraries(folder)) {
    const takes = (file: string) => PROVIDER_LIBRARIES.includes(file);
    await fetchFiles({ name: "onnxruntime-gpu", version: versionOf(folder), takes }, PROVIDER_LIBRARIES);
  }
  for (const library of missingLibraries(own)) {
    const wanted = packageOf(library);
    // A package may have brought two of them.
    if (wanted && !existsSync(join(own, library))) await fetchFiles(wanted, [library]);
  }
}

function indexAddress(): string {
  return process.env.PIP_INDEX_URL || "https://pypi.org/simple";
}

function versionOf(folder: string): string {
  return JSON.parse(readFileSync(join(folder, "package.json"), "utf8")).version;
}

/** Removes the binaries of all other platforms, and returns what was removed. @throws DeviceError if the package cannot be changed. */
export function removeOtherPlatforms(folder: string = runtimeFolder()): readonly PlatformBinaries[] {
  const others = binaryFolders(folder).filter(({ platform }) => platform !== OWN_PLATFORM);
  return others.map(({ platform, path }) => {
    const bytes = bytesOf(path);
    try {
      rmSync(path, { recursive: true });
    } catch (cause) {
      throw new DeviceError(`${path} could not be removed: ${(cause as Error).message}`, { cause });
    }
    return { platform, bytes };
  });
}

const OWN_PLATFORM = `${process.platform}-${process.arch}`;

/** @throws DeviceError if onnxruntime-node is not installed. */
function runtimeFolder(): string {
  try {
    return dirname(createRequire(import.meta.url).resolve("onnxruntime-node/package.json"));
  } catch (cause) {
    throw new DeviceError("onnxruntime-node is not installed", { cause, hint: "install darkroom again, with its dependencies" });
  }
}

/** The folder of this platform's binaries; undefined if there are none. */
function ownBinaries(folder: string): string | undefined {
  return binaryFolders(folder).find(({ platform }) => platform === OWN_PLATFORM)?.path;
}

function binaryFolders(folder: string): { readonly platform: string; readonly path: string }[] {
  const root = join(folder, "bin/napi-v6");
  return subfolders(root).flatMap((platform) =>
    subfolders(join(root, platform)).map((arch) => ({ platform: `${platform}-${arch}`, path: join(root, platform, arch) })),
  );
}

function subfolders(path: string): string[] {
  if (!existsSync(path)) return [];
  return readdirSync(path, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
}

/** The size of a file, or of all files in a folder; 0 if there is no such file or folder. */
function bytesOf(path: string): number {
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found?.isDirectory()) return found?.size ?? 0;
  return readdirSync(path).reduce((sum, name) => sum + bytesOf(join(path, name)), 0);
}
