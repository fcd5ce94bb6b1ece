import { readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";

// Finds GPUs on Linux by the files through which drivers use them. ONNX Runtime also finds them, but it is slow, and it does not say
// whether a Vulkan driver uses a GPU or renders in software. Software rendering is slower than the CPU provider.

/** Files of NVIDIA's driver (nvidia0), of WSL (dxg) and of the kernel's drivers for AMD, Intel and most others (renderD128). */
const GPU_FILE = /^\/dev\/(nvidia\d+|dxg|dri\/renderD\d+)$/;
const NVIDIA_FILE = /^\/dev\/(nvidia\d+|dxg)$/;

/** Which GPUs this machine may have, by the names in two folders. */
export function gpusInSight(): { readonly any: boolean; readonly nvidia: boolean } {
  const files = ["/dev", "/dev/dri"].flatMap((folder) => list(folder).map((name) => join(folder, name)));
  return { any: files.some((file) => GPU_FILE.test(file)), nvidia: files.some((file) => NVIDIA_FILE.test(file)) };
}

/** How many GPU files this process has open. A driver that uses a GPU opens one; a software renderer opens none. */
export function openGpuFiles(): number {
  return list("/proc/self/fd").filter((descriptor) => GPU_FILE.test(target(join("/proc/self/fd", descriptor)))).length;
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function target(link: string): string {
  try {
    return readlinkSync(link);
  } catch {
    // The file was closed in the meantime.
    return "";
  }
}
