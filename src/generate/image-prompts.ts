import type { ImagePromptPictures } from "./image-prompt-request.js";
import { listOf } from "./list-of.js";
import type { RunRequest } from "./run-request.js";
import { type NamedPicture, readPicture } from "./start.js";

/** What one IP-Adapter gets in a run. */
export interface ImagePrompt {
  readonly images: readonly NamedPicture[];
  readonly scale: number;
}

/** Decodes the pictures of IP-Adapters, and gives each adapter its scale. @throws ArgumentError for one that cannot be decoded */
export async function readImagePrompts({ ipAdapterImage, ipAdapterScale }: RunRequest): Promise<readonly ImagePrompt[]> {
  const scales = listOf(ipAdapterScale);
  return Promise.all(
    listOf<ImagePromptPictures>(ipAdapterImage).map(async (pictures, i) => ({
      images: await Promise.all(listOf(pictures).map((each) => readPicture("ipAdapterImage", each))),
      scale: (scales.length === 1 ? scales[0] : scales[i]) ?? 1,
    })),
  );
}
