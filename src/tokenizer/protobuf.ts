/** A field of a protobuf message: its number, and its value. */
export interface ProtobufField {
  readonly number: number;
  /** Bytes of texts, bytes and messages; a number for the others. Integers above 2^53 are not exact. */
  readonly value: Uint8Array | number;
}

/** Reads the fields of a protobuf message, in their order. @throws RangeError if the bytes are not a message. */
export function* protobufFields(bytes: Uint8Array): Generator<ProtobufField> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = view.getUint8(at++);
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new RangeError("a number has more than ten bytes");
  };
  while (at < bytes.byteLength) {
    const key = varint();
    const [number, kind] = [Math.floor(key / 8), key % 8];
    if (kind === 0) yield { number, value: varint() };
    else if (kind === 1) {
      yield { number, value: view.getFloat64(at, true) };
      at += 8;
    } else if (kind === 5) {
      yield { number, value: view.getFloat32(at, true) };
      at += 4;
    } else if (kind === 2) {
      const length = varint();
      if (length > bytes.byteLength - at) throw new RangeError(`a field has ${length} bytes; ${bytes.byteLength - at} are left`);
      yield { number, value: bytes.subarray(at, at + length) };
      at += length;
    } else throw new RangeError(`a field is of kind ${kind}`);
  }
}
