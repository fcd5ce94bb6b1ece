import { Picture } from "./picture.js";

/** The sides of tiles, and what neighbours share, in pixels. */
export interface TileGridSizes {
  /** Width of a tile; at most the picture's. */
  readonly tileWidth: number;
  /** Height of a tile; at most the picture's. */
  readonly tileHeight: number;
  /** Pixels that neighbours share, at least; less than a tile's sides. */
  readonly overlap: number;
}

/** Where overlapping tiles begin. */
export interface TileGrid {
  /** The first row of pixels of each row of tiles. */
  readonly tops: readonly number[];
  /** The first column of pixels of each column of tiles. */
  readonly lefts: readonly number[];
}

/** Spreads as few tiles as possible evenly over a picture, as AUTOMATIC1111's `images.split_grid`. */
export function tileGrid(width: number, height: number, { tileWidth, tileHeight, overlap }: TileGridSizes): TileGrid {
  return { tops: starts(height, tileHeight, overlap), lefts: starts(width, tileWidth, overlap) };
}

function starts(extent: number, tile: number, overlap: number): number[] {
  const count = extent <= tile ? 1 : Math.ceil((extent - overlap) / (tile - overlap));
  const distance = count > 1 ? (extent - tile) / (count - 1) : 0;
  // The last tile ends with the picture. The web UI's product can be a little less, and leaves a black line.
  return Array.from({ length: count }, (_, i) => (i === count - 1 ? extent - tile : Math.trunc(i * distance)));
}

/**
 * Joins tiles that come row by row, from left to right. A tile fades in over the `overlap` pixels at its left edge, and a row of tiles over
 * those at its upper edge. Bit for bit AUTOMATIC1111's `images.combine_grid`.
 */
export class TileJoiner {
  private readonly joined: Picture;
  private row: Picture | undefined;

  constructor(
    width: number,
    height: number,
    private readonly overlap: number,
  ) {
    this.joined = blackPicture(width, height);
  }

  /** Takes the next tile. `isLast` says that it ends its row. */
  add(tile: Picture, left: number, top: number, isLast: boolean): void {
    this.row ??= blackPicture(this.joined.width, tile.height);
    fadeInto(this.row, tile, { left, top: 0, across: left > 0 ? this.overlap : 0, down: 0 });
    if (!isLast) return;
    fadeInto(this.joined, this.row, { left: 0, top, across: 0, down: top > 0 ? this.overlap : 0 });
    this.row = undefined;
  }

  /** The picture, after its last tile. */
  get picture(): Picture {
    return this.joined;
  }
}

function blackPicture(width: number, height: number): Picture {
  return new Picture(width, height, new Uint8Array(width * height * 3));
}

/** Where a picture is laid onto another one, and over how many pixels it fades in from the left and from above. */
interface Fade {
  readonly left: number;
  readonly top: number;
  readonly across: number;
  readonly down: number;
}

/** Changes `onto`. `picture` is inside it. */
function fadeInto(onto: Picture, picture: Picture, { left, top, across, down }: Fade): void {
  for (let y = 0; y < picture.height; y++) {
    const rowShare = share(y, down);
    const from = y * picture.width * 3;
    const to = ((top + y) * onto.width + left) * 3;
    if (rowShare === 255) onto.data.set(picture.data.subarray(from + across * 3, from + picture.width * 3), to + across * 3);
    const end = rowShare === 255 ? across : picture.width;
    for (let x = 0; x < end; x++) {
      const weight = rowShare === 255 ? share(x, across) : rowShare;
      for (let at = 3 * x; at < 3 * x + 3; at++) {
        onto.data[to + at] = blended(onto.data[to + at] as number, picture.data[from + at] as number, weight);
      }
    }
  }
}

/** The weight of a fading picture at a distance from its edge, from 0 to 255. */
function share(distance: number, overlap: number): number {
  return distance < overlap ? Math.trunc((distance * 255) / overlap) : 255;
}

/** A mix of two bytes, as PIL pastes with a mask. */
function blended(below: number, above: number, weight: number): number {
  const sum = below * (255 - weight) + above * weight + 128;
  return ((sum >> 8) + sum) >> 8;
}

/** The picture, continued by reflection at the right and below to at least this size. */
export function reflectedPicture(picture: Picture, width: number, height: number): Picture {
  const [wide, high] = [Math.max(width, picture.width), Math.max(height, picture.height)];
  if (wide === picture.width && high === picture.height) return picture;
  const data = new Uint8Array(wide * high * 3);
  for (let y = 0; y < high; y++) {
    const line = mirrored(y, picture.height) * picture.width;
    for (let x = 0; x < wide; x++) {
      const from = (line + mirrored(x, picture.width)) * 3;
      data.set(picture.data.subarray(from, from + 3), (y * wide + x) * 3);
    }
  }
  return new Picture(wide, high, data);
}

/** A position beyond the end of `extent` places, reflected into them without repeating the last one. */
export function mirrored(position: number, extent: number): number {
  const period = Math.max(1, 2 * (extent - 1));
  return Math.min(position % period, period - (position % period)) % extent;
}
