import type * as Ort from "onnxruntime-web";
import type { DType } from "../../tensor/dtype.js";
import type { OnnxRuntime, OnnxSession, ScratchFiles } from "../onnx-runtime.js";
import type { NamedData, SessionOptions } from "../transport.js";
import type { OpenFile, OpenWeightFile, WeightMount } from "./weight-mount.js";
import { WeightView } from "./weight-view.js";

/** What is used of a build of ONNX Runtime Web: "onnxruntime-web/wasm", "/webgpu" or "/jspi", or Node's. */
export type OrtWeb = Pick<typeof Ort, "InferenceSession" | "Tensor">;

/** What the platform gives to its worker. */
export interface WasmFiles {
  /** Opens a file of weights. Each file is opened once for a session, and closed when the session is created. */
  readonly open: OpenWeightFile;
  readonly scratch: ScratchFiles;
}

/** ONNX Runtime as a WebAssembly build of it runs in a worker, in Node or in a browser. */
export function wasmRuntime(ort: OrtWeb, { open, scratch }: WasmFiles): OnnxRuntime {
  return {
    createSession: async (model, options, mounts = []) => sessionOf(ort, await createMounted(ort, model, options, mounts, open)),
    scratch,
  };
}

async function createMounted(
  { InferenceSession }: OrtWeb,
  model: Uint8Array,
  options: SessionOptions,
  mounts: readonly WeightMount[],
  open: OpenWeightFile,
): Promise<Ort.InferenceSession> {
  const files = new Map<string, OpenFile>();
  let unread: unknown;
  try {
    const externalData: { path: string; data: Uint8Array }[] = [];
    for (const mount of mounts) {
      const file = files.get(mount.file.id) ?? (await open(mount.file));
      files.set(mount.file.id, file);
      const onError = (error: unknown) => {
        unread ??= error;
      };
      externalData.push({ path: mount.path, data: new WeightView(mount, file, onError) });
    }
    return await InferenceSession.create(model, { ...options, externalData } as Ort.InferenceSession.SessionOptions);
  } catch (error) {
    throw unread ?? error;
  } finally {
    for (const file of files.values()) file.close();
  }
}

function sessionOf({ Tensor }: OrtWeb, session: Ort.InferenceSession): OnnxSession {
  return {
    // `places` are ignored: these builds copy results out of their heap, and do not copy them into given arrays.
    async run(feeds) {
      const entries = Object.entries(feeds).map(([name, { dtype, data, shape }]) => [
        name,
        new Tensor(dtype as "float32", data as Float32Array, shape),
      ]);
      const results = await session.run(Object.fromEntries(entries));
      return Object.fromEntries(Object.entries(results).map(([name, tensor]) => [name, fromOrt(tensor)])) satisfies NamedData;
    },
    release: () => session.release(),
  };
}

/** A result with a buffer of its own, which can be transferred to another thread. */
function fromOrt({ type, data, dims }: Ort.Tensor): NamedData[string] {
  return { dtype: type as DType, data: data as Float32Array, shape: dims };
}
