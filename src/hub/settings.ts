/** How the hub is reached and where its files are kept: what the caller says, else the environment, else the defaults. */
export interface HubSettings {
  /** Without a slash at the end. */
  readonly endpoint: string;
  readonly token: string | undefined;
  readonly cacheDir: string;
  readonly isOffline: boolean;
  /** Milliseconds to wait for an answer about files, and for the next bytes of one. */
  readonly apiTimeout: number;
  readonly downloadTimeout: number;
  /** Whether snapshots may be made of symbolic links. */
  readonly symlinks: boolean;
}

/** What callers may say of them. */
export interface HubChoices {
  readonly token?: string;
  readonly cacheDir?: string;
  readonly localFilesOnly?: boolean;
}
