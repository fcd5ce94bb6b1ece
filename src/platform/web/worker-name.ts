/** How the name of a worker begins that names the folder of ONNX Runtime's files. */
export const WASM_FOLDER = "darkroom, files in ";
