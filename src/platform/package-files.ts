import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { DeviceError } from "../errors.js";

/**
 * The path of a file or folder of this package, given from the package's root.
 * @throws DeviceError if it is not there: bundlers copy code, but not the files that code opens.
 */
export function packageFile(path: string): string {
  // Undefined in a bundle of CommonJS. As a variable, so that no bundler takes what is made of it for a file to copy.
  const url: string | undefined = import.meta.url;
  const found = url === undefined ? undefined : fileURLToPath(new URL(`../../${path}`, url));
  if (found !== undefined && existsSync(found)) return found;
  const where =
    found === undefined ? "this bundle is CommonJS and does not know its own path (import.meta.url)" : `${found} does not exist`;
  throw new DeviceError(`Darkroom cannot find its file ${path}: ${where}`, { hint: KEEP_EXTERNAL });
}

const KEEP_EXTERNAL =
  'install darkroom next to your bundle and keep "darkroom" external: esbuild --external:darkroom, webpack and Rollup externals, Vite build.rollupOptions.external, Next.js serverExternalPackages';
