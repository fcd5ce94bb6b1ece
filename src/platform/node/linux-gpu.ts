import { readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";

// Whether a Linux has a GPU, told by the files through which drivers reach one. ONNX Runtime would find out as well, but takes its time, and does not say
// of a Vulkan driver whether there is a GPU behind it or a renderer in software, which is slower than the CPU provider.

/** NVIDIA's driver; WSL's; those of the kernel: AMD, Intel and most others. */
const GPU_FILE = /^\/dev\/(nvidia\d+|dxg|dri\/renderD\d+)$/;
const NVIDIA_FILE = /^\/dev\/(nvidia\d+|dxg)$/;

/** Which GPUs there may be: none costs no more than a look into a folder. */
export function gpusInSight(): { readonly any: boolean; readonly nvidia: boolean } {
  const files = ["/dev", "/dev/dri"].flatMap((folder) => list(folder).map((name) => join(folder, name)));
  return { any: files.some((file) => GPU_FILE.test(file)), nvidia: files.some((file) => NVIDIA_FILE.test(file)) };
}

/** How many GPUs' files this process holds open: a driver that works on a GPU opens one, a renderer in software none. */
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
    // Closed meanwhile.
    return "";
  }
}
