// Everything a program may import from "darkroom-ai-sdk".

export type { DarkroomImageOptions, DarkroomLora, DarkroomPictureMetadata } from "./image-options.js";
export {
  createDarkroom,
  type DarkroomLocalOptions,
  type DarkroomProvider,
  type DarkroomServerOptions,
  darkroom,
} from "./provider.js";
