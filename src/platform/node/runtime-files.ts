import { spawn } from "node:child_process";
import { existsSync, readdirSync, rmSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { DeviceError } from "../../errors.js";

// The files of the package onnxruntime-node: binaries of every platform, in bin/napi-v6/<platform>/<arch>. CUDA's libraries are not in the
// package; its install script downloads them. Installing Darkroom prevents the download: scripts/skip-cuda-download.mjs writes empty files
// with the libraries' names.

/** One platform's binaries. */
export interface PlatformBinaries {
  /** As in "linux-x64". */
  readonly platform: string;
  readonly bytes: number;
}

/** Whether the runtime's CUDA libraries are installed. */
export function hasCudaLibraries(folder: string = runtimeFolder()): boolean {
  const own = binaryFolders(folder).find(({ platform }) => platform === OWN_PLATFORM);
  return own !== undefined && CUDA_LIBRARIES.every((name) => bytesOf(join(own.path, name)) > 0);
}

/**
 * Fetches the runtime's CUDA libraries with the package's own install script. The script's progress is printed on stderr.
 * @throws DeviceError if there are none for this platform, or they cannot be fetched.
 */
export async function fetchCudaLibraries(folder: string = runtimeFolder()): Promise<void> {
  if (OWN_PLATFORM !== "linux-x64") {
    throw new DeviceError(`onnxruntime-node has no CUDA libraries for ${OWN_PLATFORM}; it has them for linux-x64`, {
      hint: "npx darkroom devices lists the devices that work here",
    });
  }
  const { code, errors } = await runInstallScript(join(folder, "script/install.js"));
  if (code === 0 && hasCudaLibraries(folder)) return;
  const reason = /^\w*Error: (.+)$/m.exec(errors)?.[1];
  const end = code === 0 ? "ended without them" : `ended with ${code}`;
  throw new DeviceError(`CUDA's libraries could not be fetched: ${reason ?? `onnxruntime-node's install script ${end}`}`, {
    hint: "they come from NuGet (api.nuget.org), not from the npm registry; behind a proxy set GLOBAL_AGENT_HTTPS_PROXY to its address",
  });
}

/** Sets the script's variable to "1" in any case: with other values the script leaves the empty files as they are. */
async function runInstallScript(script: string): Promise<{ readonly code: number | null; readonly errors: string }> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, ONNXRUNTIME_NODE_INSTALL: "1" };
    const child = spawn(process.execPath, [script], { env, stdio: ["ignore", 2, "pipe"] });
    let errors = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      errors += text;
    });
    child.on("error", reject).on("close", (code) => resolve({ code, errors }));
  });
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
const CUDA_LIBRARIES = ["libonnxruntime_providers_shared.so", "libonnxruntime_providers_cuda.so"];

/** @throws DeviceError if onnxruntime-node is not installed. */
function runtimeFolder(): string {
  try {
    return dirname(createRequire(import.meta.url).resolve("onnxruntime-node/package.json"));
  } catch (cause) {
    throw new DeviceError("onnxruntime-node is not installed", { cause, hint: "install darkroom again, with its dependencies" });
  }
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
