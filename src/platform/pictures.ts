/** Pixels of a decoded image: 8-bit, row by row, `channels` bytes each. */
export interface DecodedImage {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly data: Uint8Array;
}

/** The header of an image file. */
export interface ImageHeader {
  readonly width: number;
  readonly height: number;
  /** Its EXIF block. */
  readonly exif: Uint8Array | undefined;
  /** Its XMP packet. */
  readonly xmp: Uint8Array | undefined;
}

/** How an animation is encoded. */
export interface FrameOptions {
  /** Milliseconds that each frame is shown. */
  readonly delay: number;
  /** How often the animation is shown; 0 for ever. */
  readonly loop: number;
  /** Quality of WebP, 1 to 100. */
  readonly quality: number;
}
