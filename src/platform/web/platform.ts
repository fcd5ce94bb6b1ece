// What differs between Node and the browser, as a browser does it. Everything else reaches it as "#platform".
export { openFolder, openFolderOf, pathKind } from "./addresses.js";
export { openBlobs } from "./blob-folder.js";
export { createEngine } from "./engine.js";
export { sha256 } from "./hash.js";
export { openRepositoryCache } from "./hub-cache.js";
export { listRepositories, removeRepository } from "./hub-repositories.js";
export { hubSettings } from "./hub-settings.js";
export { decodeImage, encodeFrames, encodeImage, readImageHeader, readPath } from "./image.js";
export { openTokenizerFiles, packagedCheckpoint } from "./package-files.js";
export { readRange } from "./web-file.js";
export { openWeightCache } from "./weight-cache.js";
export { expectWritable, locationOf, writeFileAtomically, writeFolder } from "./write-file.js";
