// What differs between Node and the browser, as Node does it. Everything else reaches it as "#platform".
export { createEngine } from "./node-engine.js";
export { openFolder, openTokenizerFiles, packagedCheckpoint, pathKind } from "./node-folder.js";
export { openRepositoryCache } from "./node-hub-cache.js";
export { listRepositories, removeRepository } from "./node-hub-repositories.js";
export { hubSettings } from "./node-hub-settings.js";
export { decodeImage, encodeImage, readImageHeader, readPath } from "./node-image.js";
export { writeFileAtomically } from "./write-file.js";
