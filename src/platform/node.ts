// What differs between Node and the browser, as Node does it. Everything else reaches it as "#platform".
export { createEngine } from "./node-engine.js";
export { openFolder } from "./node-folder.js";
export { decodeImage, readPath } from "./node-image.js";
export { writeFileAtomically } from "./write-file.js";
