/** Where finished pictures are kept, by the SHA-256 of their bytes: a folder or a bucket. */
export interface ResultStore {
  /** Stores bytes and returns their hash in hex. Bytes that are there already are not written again; a file appears whole or not at all. */
  put(bytes: Uint8Array, type: string): Promise<string>;
  /** The bytes; undefined if there are none. */
  get(hash: string): Promise<Uint8Array<ArrayBuffer> | undefined>;
  delete(hash: string): Promise<void>;
  /** Rejects with the error of the last `put` that failed, until writing works again. */
  check?(): Promise<void>;
  /** What it is, for processes that must have the same one. */
  identity?(): Promise<StoreIdentity>;
  close(): Promise<void>;
}

/** Which store this is. */
export interface StoreIdentity {
  /** The same for all who have this store, by whatever path or address. */
  readonly id: string;
  /** Where it is for this process, in words. */
  readonly place: string;
}

/** The names that a store knows. */
export const SHA256 = /^[0-9a-f]{64}$/;
