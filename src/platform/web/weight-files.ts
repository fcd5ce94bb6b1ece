import type { ScratchFiles } from "../../runtime/onnx-runtime.js";
import type { WasmFiles } from "../../runtime/wasm/wasm-runtime.js";
import type { OpenFile } from "../../runtime/wasm/weight-mount.js";
import type { FileRef } from "../../tensor/stored-tensor.js";
import { fetchWhole, webFile } from "./web-file.js";

/** Files of weights as a worker reads them: in parts, and without waiting for promises. */
export class WeightFiles implements WasmFiles {
  /** What was fetched for the model that is being loaded. */
  private readonly fetched = new Map<string, Promise<Blob>>();
  /** Weights that were converted while a model was loaded: a page has no temporary files. */
  private readonly converted = new Map<string, Uint8Array>();

  readonly open = async (file: FileRef): Promise<OpenFile> => {
    const bytes = this.converted.get(file.id);
    if (bytes) return { read: (offset, into) => into.set(bytes.subarray(offset, offset + into.length)), close: () => {} };
    return openBlob(webFile(file).blob ?? (await this.fetch(file)), file.id);
  };

  readonly scratch: ScratchFiles = {
    write: (file, ports, tensors) => {
      const parts = ports.map(({ name, offset = 0 }) => ({ offset, data: tensors[name]?.data as Int8Array }));
      const end = Math.max(...parts.map(({ offset, data }) => offset + data.byteLength));
      const old = this.converted.get(file.id) ?? new Uint8Array();
      const bytes = old.length >= end ? old : new Uint8Array(end);
      if (bytes !== old) bytes.set(old);
      for (const { offset, data } of parts) bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), offset);
      this.converted.set(file.id, bytes);
    },
    remove: ({ id }) => {
      this.converted.delete(id);
      return true;
    },
    removeStale: () => {},
  };

  /** Forgets what was fetched. */
  forget(): void {
    this.fetched.clear();
  }

  private fetch(file: FileRef): Promise<Blob> {
    const known = this.fetched.get(file.id) ?? fetchWhole(webFile(file).url as string, file.id, {}, (answer) => answer.blob());
    this.fetched.set(file.id, known);
    return known;
  }
}

/** A worker's way to read a blob without waiting. TypeScript has it among the types of workers only. */
interface SyncReader {
  readAsArrayBuffer(blob: Blob): ArrayBuffer;
}
declare const FileReaderSync: new () => SyncReader;

function openBlob(blob: Blob, name: string): OpenFile {
  const reader = new FileReaderSync();
  return {
    read(offset, into) {
      const bytes = new Uint8Array(reader.readAsArrayBuffer(blob.slice(offset, offset + into.length)));
      if (bytes.length !== into.length) throw new Error(`${name} has ${blob.size} bytes; ${offset + into.length} are needed`);
      into.set(bytes);
    },
    close: () => {},
  };
}
