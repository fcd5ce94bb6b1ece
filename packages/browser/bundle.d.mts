/** Writes Darkroom's modules, workers and the runtime's .wasm files into a folder. */
export function bundleForBrowsers(folder: string): Promise<void>;
