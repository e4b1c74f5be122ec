"""Small valid PNG images made from a seed, so that stores have real image bytes to serve and to compare."""

from __future__ import annotations

import hashlib
import struct
import zlib

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def png(seed: str, *, side: int = 4) -> bytes:
    """A ``side`` × ``side`` picture in true colour; another seed or side gives other bytes."""
    digest = hashlib.sha256(f"{side}:{seed}".encode()).digest()
    row_bytes = 3 * side
    pixels = (digest * (row_bytes * side // len(digest) + 1))[: row_bytes * side]
    rows = b"".join(b"\x00" + pixels[at : at + row_bytes] for at in range(0, len(pixels), row_bytes))
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows, 1)) + _chunk(b"IEND", b"")


def is_image(content: bytes) -> bool:
    """Whether the bytes begin like a picture that stores accept (PNG, JPEG, GIF, BMP, WEBP)."""
    return content.startswith((_SIGNATURE, b"\xff\xd8\xff", b"GIF8", b"BM")) or content[8:12] == b"WEBP"


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
