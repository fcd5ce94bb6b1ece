// What differs between Node and the browser, as Node does it. Everything else reaches it as "#platform".
export { locationOf, readRange } from "./disk-file.js";
export { createEngine } from "./engine.js";
export { openBlobs, openFolder, openFolderOf, openTokenizerFiles, packagedCheckpoint, pathKind } from "./folder.js";
export { sha256 } from "./hash.js";
export { openRepositoryCache } from "./hub-cache.js";
export { listRepositories, removeRepository } from "./hub-repositories.js";
export { hubSettings } from "./hub-settings.js";
export { decodeImage, encodeFrames, encodeImage, readImageHeader, readPath } from "./image.js";
export { openWeightCache } from "./weight-cache.js";
export { writeFileAtomically } from "./write-file.js";
export { expectWritable, writeFolder } from "./write-folder.js";
