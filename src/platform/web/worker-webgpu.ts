import * as ort from "onnxruntime-web/webgpu";
import { serve } from "./serve.js";

// The entry of a worker that computes with WebGPU. Each build of the runtime has an entry of its own, which bundlers see.
serve(ort, "ort-wasm-simd-threaded.asyncify.wasm");
