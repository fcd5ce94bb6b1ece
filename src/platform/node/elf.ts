import { closeSync, openSync, readSync } from "node:fs";

// The layout is in elf(5): a header of 64 bytes, program headers of 56, and the dynamic section's pairs of a tag and a value.

const HEADER = 64;
const PROGRAM_HEADER = 56;
const LOADED = 1;
const DYNAMIC = 2;
const NEEDED = 1n;
const STRING_TABLE = 5n;
const STRING_BYTES = 10n;

/** More than any real library has: sections that are larger are not read. */
const LARGEST_SECTION = 2 ** 24;

/** A part of the file that is mapped: addresses from `address` on are the file's bytes from `offset` on. */
interface Segment {
  readonly kind: number;
  readonly offset: bigint;
  readonly address: bigint;
  readonly bytes: bigint;
}

/** The libraries that a shared library for 64-bit Linux needs, by the names in its header; none if it is no such file. */
export function neededLibraries(path: string): readonly string[] {
  const file = openSync(path, "r");
  try {
    const header = read(file, 0n, BigInt(HEADER));
    const isElf64 = header.length === HEADER && header.readUInt32BE(0) === 0x7f454c46 && header[4] === 2 && header[5] === 1;
    return isElf64 ? neededBy(file, header) : [];
  } finally {
    closeSync(file);
  }
}

function neededBy(file: number, header: Buffer): readonly string[] {
  const count = header.readUInt16LE(56);
  const table = read(file, header.readBigUInt64LE(32), BigInt(count * PROGRAM_HEADER));
  const segments = Array.from({ length: Math.floor(table.length / PROGRAM_HEADER) }, (_, i): Segment => {
    const at = i * PROGRAM_HEADER;
    const [offset, address, bytes] = [8, 16, 32].map((field) => table.readBigUInt64LE(at + field)) as [bigint, bigint, bigint];
    return { kind: table.readUInt32LE(at), offset, address, bytes };
  });
  const dynamic = segments.find(({ kind }) => kind === DYNAMIC);
  if (!dynamic) return [];
  const section = read(file, dynamic.offset, dynamic.bytes);
  const entries = Array.from(
    { length: Math.floor(section.length / 16) },
    (_, i) => [section.readBigUInt64LE(16 * i), section.readBigUInt64LE(16 * i + 8)] as const,
  );
  const entry = (wanted: bigint) => entries.find(([tag]) => tag === wanted)?.[1];
  const [address, bytes] = [entry(STRING_TABLE), entry(STRING_BYTES)];
  if (address === undefined || bytes === undefined) return [];
  const holder = segments.find((each) => each.kind === LOADED && address >= each.address && address < each.address + each.bytes);
  if (!holder) return [];
  const strings = read(file, address - holder.address + holder.offset, bytes);
  return entries.filter(([tag]) => tag === NEEDED).map(([, start]) => textAt(strings, Number(start)));
}

function textAt(strings: Buffer, start: number): string {
  const end = strings.indexOf(0, start);
  return strings.toString("latin1", start, end < 0 ? undefined : end);
}

/** Fewer bytes if the file ends before. */
function read(file: number, offset: bigint, bytes: bigint): Buffer {
  const buffer = Buffer.alloc(Number(bytes < LARGEST_SECTION ? bytes : LARGEST_SECTION));
  return buffer.subarray(0, readSync(file, buffer, 0, buffer.length, offset));
}
