import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { DeviceError } from "../../errors.js";

/**
 * The path of a file or folder of this package, given from the package's root.
 * @throws DeviceError if it does not exist: bundlers copy code, but not the files that the code opens.
 */
export function packageFile(path: string): string {
  // Undefined in CommonJS bundles. `new URL(path, import.meta.url)` is avoided: bundlers replace it with the path of a copy.
  const url: string | undefined = import.meta.url;
  const found = url?.startsWith("file:") ? join(dirname(fileURLToPath(url)), "../../..", path) : undefined;
  if (found !== undefined && existsSync(found)) return found;
  const where = found === undefined ? "this bundle does not know its own path (import.meta.url)" : `${found} does not exist`;
  throw new DeviceError(`Darkroom cannot find its file ${path}: ${where}`, { hint: KEEP_EXTERNAL });
}

const KEEP_EXTERNAL =
  'install darkroom next to your bundle and keep "darkroom" external: esbuild --external:darkroom, webpack and Rollup externals, Vite build.rollupOptions.external, Next.js serverExternalPackages';
