import { describe, expect, it } from "vitest";
import { crop } from "../../src/image/crop.js";
import { Picture } from "../../src/image/picture.js";
import { reflectedPicture, TileJoiner, tileGrid } from "../../src/image/tile-grid.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { readFixture } from "../helpers/fixtures.js";
import { pictureOf } from "./pictures-of.js";

interface Case {
  readonly width: number;
  readonly height: number;
  readonly tileWidth: number;
  readonly tileHeight: number;
  readonly overlap: number;
  readonly lefts: readonly number[];
  readonly tops: readonly number[];
}
interface Written extends Omit<Case, "tileWidth" | "tileHeight"> {
  readonly tile_width: number;
  readonly tile_height: number;
}

const { meta, tensor } = readFixture<{ cases: Written[] }>("hires", "tiles");
const CASES = meta.cases.map(({ tile_width: tileWidth, tile_height: tileHeight, ...rest }, i) => ({ ...rest, tileWidth, tileHeight, i }));

function picture(width: number, height: number): Picture {
  return new Picture(
    width,
    height,
    Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 37 + ((i * i) % 101)) % 256),
  );
}

function joined(sizes: Case, tileOf: (index: number, left: number, top: number) => Picture): Picture {
  const { width, height, overlap } = sizes;
  const { lefts, tops } = tileGrid(width, height, sizes);
  const joiner = new TileJoiner(width, height, overlap);
  let index = 0;
  for (const top of tops) for (const left of lefts) joiner.add(tileOf(index++, left, top), left, top, left === lefts.at(-1));
  return joiner.picture;
}

describe("tiles of a picture", () => {
  it.each(CASES)("begin and join as in the web UI: $width x $height, overlap $overlap", ({ i, ...sizes }) => {
    expect(tileGrid(sizes.width, sizes.height, sizes)).toEqual({ lefts: sizes.lefts, tops: sizes.tops });
    const tiles = tensor(`${i}.tiles`);
    const [, ...shape] = tiles.shape;
    const size = sizes.tileWidth * sizes.tileHeight * 3;
    const tileOf = (index: number) =>
      pictureOf(new Tensor("uint8", shape, tiles.data.slice(index * size, (index + 1) * size) as Uint8Array));
    expect(joined(sizes, (index) => tileOf(index) as Picture)).toEqual(pictureOf(tensor(`${i}.joined`)));
  });

  it.each(CASES)("give the picture back if nothing is changed: $width x $height", ({ i: _, ...sizes }) => {
    const whole = picture(sizes.width, sizes.height);
    const back = joined(sizes, (_index, left, top) => crop(whole, [left, top, left + sizes.tileWidth, top + sizes.tileHeight]));
    expect(back).toEqual(whole);
  });

  it("cover every size with at least the overlap, and end with the picture", () => {
    for (let extent = 16; extent < 200; extent++) {
      for (const overlap of [0, 1, 5, 15]) {
        const { lefts } = tileGrid(extent, 16, { tileWidth: 16, tileHeight: 16, overlap });
        expect(lefts[0]).toBe(0);
        expect(lefts.at(-1)).toBe(extent - 16);
        for (const [i, left] of lefts.slice(1).entries()) expect(left - (lefts[i] ?? 0)).toBeLessThanOrEqual(16 - overlap);
      }
    }
  });
});

describe("a picture that is continued", () => {
  it("is reflected at the right and below, without its last pixels again", () => {
    const one = new Picture(3, 1, Uint8Array.from([1, 1, 1, 2, 2, 2, 3, 3, 3]));
    expect([...reflectedPicture(one, 6, 2).data.filter((_, i) => i % 3 === 0)]).toEqual([1, 2, 3, 2, 1, 2, 1, 2, 3, 2, 1, 2]);
    expect(reflectedPicture(one, 2, 1)).toBe(one);
  });
});
