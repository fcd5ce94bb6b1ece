import * as ort from "onnxruntime-web/wasm";
import { serve } from "./serve.js";

// The entry of a worker that computes on the processor. Each build of the runtime has an entry of its own, which bundlers see.
serve(ort, "ort-wasm-simd-threaded.wasm");
