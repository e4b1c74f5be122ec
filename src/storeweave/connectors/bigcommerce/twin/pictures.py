"""The bytes of a store's images, by name: kept once per content, or made again from a seed when asked for."""

from __future__ import annotations

import hashlib

from storeweave.twinkit.pictures import png

SIZES = {"original": 0, "zoom": 0, "standard": 6, "thumbnail": 3, "tiny": 2}
_SEEDED = "seed:"


class PictureStore:
    """Names are ``seed:...`` for generated pictures, else the content's SHA-256."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}
        self._hashes: dict[str, str] = {}

    @staticmethod
    def seeded(seed: str) -> str:
        """The name of a generated picture; no bytes are kept for it."""
        return _SEEDED + seed

    def keep(self, content: bytes) -> str:
        name = hashlib.sha256(content).hexdigest()
        self._kept[name] = content
        return name

    def content(self, name: str, size: str = "original") -> bytes:
        """The bytes. Smaller sizes are other bytes, as the vendor's resized copies are."""
        side = SIZES[size]
        if side:
            return png(f"{self.content_hash(name)}:{size}", side=side)
        return png(name) if name.startswith(_SEEDED) else self._kept[name]

    def content_hash(self, name: str) -> str:
        """SHA-256 of the original's bytes."""
        if not name.startswith(_SEEDED):
            return name
        found = self._hashes.get(name)
        if found is None:
            found = self._hashes[name] = hashlib.sha256(png(name)).hexdigest()
        return found
