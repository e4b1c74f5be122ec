"""Finds the handler of a method and path: a tree of segments, ids as integers. No regular expressions on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from storeweave.twinkit.wire import Answer, Call

Handler = Callable[..., Answer]


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One operation of a vendor's API.

    ``handler(world, call, *ids)`` is atomic and answers at once. ``needs(call)`` names the URLs whose bytes must be
    fetched before it runs. ``gate``: calls under way in one gate are counted against the twin's cap of that name.
    """

    method: str
    template: str
    handler: Handler
    name: str = ""  # under which its calls are counted; default: the template
    gate: str = ""
    needs: Callable[[Call], Iterable[str]] | None = None
    reads: bool | None = None

    @property
    def label(self) -> str:
        return self.name or self.template

    @property
    def is_read(self) -> bool:
        return self.method in {"GET", "HEAD"} if self.reads is None else self.reads


class _Node:
    __slots__ = ("children", "routes", "wild")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.wild: _Node | None = None
        self.routes: dict[str, Route] = {}


class Router:
    """Routes by template; ``{name}`` stands for one whole number."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._root = _Node()
        for route in routes:
            self._add(route)

    def _add(self, route: Route) -> None:
        node = self._root
        for segment in route.template.strip("/").split("/"):
            if segment.startswith("{"):
                if node.wild is None:
                    node.wild = _Node()
                node = node.wild
            else:
                node = node.children.setdefault(segment, _Node())
        if route.method in node.routes:
            raise ValueError(f"two routes for {route.method} {route.template}")
        node.routes[route.method] = route

    def find(self, method: str, path: str) -> tuple[Route | None, tuple[int, ...], bool]:
        """The route, the ids of its path, and whether the path exists at all (with another method)."""
        node = self._root
        ids: list[int] = []
        for segment in path.strip("/").split("/"):
            child = node.children.get(segment)
            if child is None and node.wild is not None and segment.isdecimal():
                ids.append(int(segment))
                child = node.wild
            if child is None:
                return None, (), False
            node = child
        return node.routes.get(method), tuple(ids), bool(node.routes)


def templates(routes: Iterable[Route]) -> Mapping[str, Any]:
    """Method and template of every route, for tables and contract tests."""
    return {f"{route.method} {route.template}": route for route in routes}
