import type { ResolvedDevice } from "../../runtime/device.js";
import { cudaProblem } from "./runtime-files.js";

/** What each device needs, for hints. */
export const DEVICE_HINTS: Readonly<Record<ResolvedDevice, string>> = {
  cpu: "remove node_modules and install again: onnxruntime-node's library does not load on this machine; or use device wasm",
  cuda: "CUDA needs Linux on x64, NVIDIA's driver (libcuda.so.1, version 580 or later), and libraries that npx darkroom devices add cuda fetches; use device cpu otherwise",
  webgpu: "WebGPU needs a graphics driver (on Linux a Vulkan driver and libvulkan1); use device cpu otherwise",
  coreml: "Core ML needs macOS; use device cpu otherwise",
  dml: "DirectML needs Windows; use device cpu otherwise",
  wasm: "WebAssembly needs the package onnxruntime-web: npm install onnxruntime-web",
};

/** What is missing for a device, as far as that can be seen without starting it; undefined if nothing. */
export function missingFor(device: ResolvedDevice): string | undefined {
  switch (device) {
    case "cpu":
    case "wasm":
      return undefined;
    case "webgpu":
      return isVulkanMissing() ? "libvulkan.so.1 is not installed" : undefined;
    case "cuda":
      if (process.platform !== "linux" || process.arch !== "x64") return `this is ${process.platform} on ${process.arch}`;
      return cudaProblem();
    case "coreml":
      return process.platform === "darwin" ? undefined : `this is ${process.platform}`;
    case "dml":
      return process.platform === "win32" ? undefined : `this is ${process.platform}`;
  }
}

/** Whether this is Linux without Vulkan. ONNX Runtime also notices, but prints a warning on the terminal. */
function isVulkanMissing(): boolean {
  if (process.platform !== "linux") return false;
  try {
    // Always fails, because Vulkan is not a Node addon. The message shows whether the library was found.
    process.dlopen({ exports: {} }, "libvulkan.so.1");
    return false;
  } catch (error) {
    return String(error).includes("cannot open shared object file");
  }
}
