"""Keeps only one architecture's machine code of a CUDA library, so that it compresses to a fraction: the code of others becomes zeros.

Usage: thin.py LIBRARY ARCHITECTURE, for example thin.py libonnxruntime_providers_cuda.so 90
A fat binary is a header (magic 0xBA55ED50, u16 version, u16 header bytes, u64 bytes that follow) and entries, each a header (u16 kind:
1 PTX, 2 ELF; u32 header bytes at 4; u64 payload bytes at 8; u32 architecture at 28) and its payload.
"""
import mmap
import struct
import sys

path, wanted = sys.argv[1], int(sys.argv[2])
with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0) as data:
    at, kept, dropped = 0, {}, {}
    while (at := data.find(b"\x50\xed\x55\xba", at)) >= 0:
        version, header, size = struct.unpack_from("<HHQ", data, at + 4)
        if version != 1 or header != 16 or at + 16 + size > len(data):
            at += 4
            continue
        end, entry = at + 16 + size, at + 16
        while entry + 64 <= end:
            kind, _, head, payload = struct.unpack_from("<HHIQ", data, entry)
            arch = struct.unpack_from("<I", data, entry + 28)[0]
            if kind not in (1, 2) or head < 64 or entry + head + payload > end:
                break
            keeps = kind == 2 and arch == wanted
            counts = kept if keeps else dropped
            counts[(kind, arch)] = counts.get((kind, arch), 0) + payload
            if not keeps:
                data[entry + head : entry + head + payload] = bytes(payload)
            entry += head + payload
        at = end
    for name, counts in (("kept", kept), ("dropped", dropped)):
        print(name, {f"{'ptx' if kind == 1 else 'sm'} {arch}": f"{size / 1e6:.1f} MB" for (kind, arch), size in sorted(counts.items())})
