"""HTTP from a twin outwards: webhooks that it sends, images that it fetches."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType

import httpx2


class Outwards:
    """One HTTP client for a twin server. Errors of any kind come out as OSError."""

    def __init__(self, *, timeout_s: float = 10.0) -> None:
        self._client = httpx2.AsyncClient(timeout=timeout_s, follow_redirects=False, trust_env=False)

    async def __aenter__(self) -> Outwards:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        """Send one webhook; the status."""
        try:
            answer = await self._client.post(url, headers=dict(headers), content=body)
        except httpx2.HTTPError as error:
            raise OSError(f"{url}: {error}") from error
        return answer.status_code

    async def fetch(self, url: str) -> bytes:
        """The bytes behind a URL."""
        try:
            answer = await self._client.get(url)
        except httpx2.HTTPError as error:
            raise OSError(f"{url}: {error}") from error
        if answer.status_code != 200:
            raise OSError(f"{url} answered {answer.status_code}")
        return answer.content
