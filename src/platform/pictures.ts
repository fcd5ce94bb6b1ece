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
