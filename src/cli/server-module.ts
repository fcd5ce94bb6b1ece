import { ArgumentError } from "../errors.js";
import type { Device, Precision, Quantisation } from "../runtime/device.js";

// The part of darkroom-server that the command line uses. Its types are written down here, since this package is built without that one;
// a test in packages/server checks that they fit.

export interface NamedSource {
  readonly name: string;
  readonly source: string;
}

/** What a server offers, and where it runs. */
export interface Offer {
  readonly models: readonly NamedSource[];
  readonly vaes: readonly NamedSource[];
  readonly controlnets: readonly NamedSource[];
  readonly upscalers: readonly NamedSource[];
  readonly loraFolders: readonly string[];
  readonly embeddingFolders: readonly string[];
  readonly runtime: {
    readonly device: Device;
    readonly precision: Precision | undefined;
    readonly quantize: Quantisation | undefined;
    readonly lowMemory: boolean | undefined;
    readonly variant: string | undefined;
    readonly localFilesOnly: boolean | undefined;
    readonly cacheDir: string | undefined;
  };
}

/** A bucket for pictures that was opened. */
export interface BucketStore {
  put(bytes: Uint8Array, type: string): Promise<string>;
  get(hash: string): Promise<Uint8Array<ArrayBuffer> | undefined>;
  delete(hash: string): Promise<void>;
  close(): Promise<void>;
}

/** How models run, and where pictures go. */
export interface RunOptions {
  readonly folder: string | undefined;
  readonly results: BucketStore | undefined;
  readonly offer: Offer;
  readonly slots: number | undefined;
  readonly threads: number | undefined;
  readonly memoryBudget: number | undefined;
  readonly log: (text: string) => void;
  readonly onError: (error: unknown) => void;
}

export interface ServerOptions extends RunOptions {
  readonly queue: string | undefined;
  readonly workerTimeout: number | undefined;
  readonly host: string;
  readonly port: number;
  readonly apiKeys: readonly string[];
  readonly allowedHosts: readonly string[] | undefined;
  readonly allowedOrigins: readonly string[] | undefined;
  readonly limits: Readonly<Partial<Record<LimitName, number>>>;
  readonly maxWaiting: number | undefined;
  readonly keepJobs: number | undefined;
  readonly keepDays: number | undefined;
}

export type LimitName =
  | "maxBodyBytes"
  | "maxUploadBytes"
  | "maxPromptLength"
  | "maxPixels"
  | "maxPicturePixels"
  | "maxSteps"
  | "maxBatch"
  | "maxEventStreams";

/** What is running. */
export interface Running {
  close(options: { readonly grace: number }): Promise<void>;
}

/** The exports of darkroom-server. */
export interface ServerModule {
  readonly parseNamedSources: (texts: readonly string[], option: string) => readonly NamedSource[];
  readonly parseBucketAddress: (address: string) => { readonly bucket: string; readonly prefix?: string | undefined };
  readonly BucketStore: {
    open(options: {
      readonly bucket: string;
      readonly prefix?: string | undefined;
      readonly endpoint: string | undefined;
    }): Promise<BucketStore>;
  };
  readonly BucketError: abstract new (...args: never) => Error & { readonly hint: string | undefined };
  readonly startServer: (options: ServerOptions) => Promise<Running & { readonly address: string }>;
  readonly startWorker: (options: RunOptions & { readonly queue: string }) => Promise<Running>;
}

/** No literal: TypeScript and bundlers would take the package for a part of this one. */
const PACKAGE: string = "darkroom-server";

/** Loads darkroom-server. @throws ArgumentError if it is not installed */
export async function loadServer(command: string): Promise<ServerModule> {
  try {
    return await import(PACKAGE);
  } catch (cause) {
    if (!isMissing(cause)) throw cause;
    throw new ArgumentError(`darkroom ${command} needs the package ${PACKAGE}, which is not installed`, {
      hint: `npm install ${PACKAGE} (if darkroom is installed for the whole machine: npm install --global darkroom ${PACKAGE})`,
      cause,
    });
  }
}

/** Whether the package itself was not found, not one that it needs. */
function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ERR_MODULE_NOT_FOUND" && error.message.includes(`'${PACKAGE}'`);
}
