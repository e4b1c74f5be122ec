"""Reading categories: the whole tree for scans and paths, single ones by id, and the tree that new ones go into.

The endpoint cannot be walked by ever-growing id, only by page number. So the tree (16,000 categories at most) is read
whole, taken only when no page moved meanwhile, and given out in the order of ids.
Source: GET /catalog/trees/categories, GET /catalog/trees.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from storeweave.connectors.bigcommerce.absence import prove_absent
from storeweave.connectors.bigcommerce.client import Client
from storeweave.connectors.bigcommerce.payloads import CategoryData, Many, TreeData
from storeweave.connectors.bigcommerce.records import category_record, path_match
from storeweave.connectors.bigcommerce.steady import read_steadily
from storeweave.model.errors import RefusedError
from storeweave.model.kinds import Key
from storeweave.model.records import Record
from storeweave.ports.clock import Clock
from storeweave.ports.connector import Page
from storeweave.ports.permit import Permit

PAGE: Final = 250
AT_ONCE: Final = 4
DEEPEST: Final = 12  # the vendor's limit is 8 levels; more means a circle
PATH: Final = "/catalog/trees/categories"
CATEGORIES: Final = msgspec.json.Decoder(Many[CategoryData], float_hook=Decimal)
TREES: Final = msgspec.json.Decoder(Many[TreeData])

Tree = Mapping[int, CategoryData]


class CategoryReads:
    """Reads of categories in one store. ``forget`` before and after anything that may change the tree."""

    def __init__(self, client: Client, *, clock: Clock, tree_id: int | None, cache_s: float) -> None:
        self._client = client
        self._clock = clock
        self._configured_tree = tree_id
        self._cache_s = cache_s
        self._tree: Tree | None = None
        self._until_s = 0.0
        self._write_tree = tree_id

    def forget(self) -> None:
        """The tree is not what we read any more."""
        self._tree = None

    async def tree(self, permit: Permit, *, fresh: bool = False) -> Tree:
        """All categories by id, at most ``tree_cache_s`` old."""
        if self._tree is None or fresh or self._clock.monotonic() >= self._until_s:
            read_at_s = self._clock.monotonic()
            self._tree = await self._whole(permit)
            self._until_s = read_at_s + self._cache_s
        return self._tree

    async def scan(self, cursor: str | None, permit: Permit) -> Page:
        """One page in the order of ids."""
        tree = await self.tree(permit, fresh=cursor is None)
        after = int(cursor) if cursor else 0
        ids = sorted(category_id for category_id in tree if category_id > after)
        chosen = ids[:PAGE]
        records = tuple(category_record(tree[category_id], path=path_in(tree, category_id)) for category_id in chosen)
        more = len(ids) > PAGE
        return Page(records=records, cursor=str(chosen[-1]) if more else None, total=len(tree) if not cursor else None)

    async def read(self, keys: Sequence[Key], permit: Permit) -> dict[Key, Record | None]:
        """Categories by id, in whatever tree they are, with their paths."""
        wanted = [int(key) for key in keys if key.isascii() and key.isdigit()]
        known = dict(await self._by_ids(wanted, permit))
        found = dict(known)
        gone = [Key(str(number)) for number in wanted if number not in found]
        await prove_absent(self._client, "/catalog/categories", gone, permit, at_once=AT_ONCE)
        for _ in range(DEEPEST):
            missing = {data.parent_id for data in known.values() if data.parent_id and data.parent_id not in known}
            if not missing:
                break
            cached = {key: self._tree[key] for key in missing if self._is_fresh() and self._tree and key in self._tree}
            known.update(cached)
            rest = missing - cached.keys()
            above = await self._by_ids(sorted(rest), permit) if rest else {}
            known.update(above)
            if rest and len(above) < len(rest):
                break  # a parent that does not exist: its children have no path
        return {
            key: category_record(found[int(key)], path=path_in(known, int(key)))
            if key.isascii() and key.isdigit() and int(key) in found
            else None
            for key in keys
        }

    def _is_fresh(self) -> bool:
        return self._tree is not None and self._clock.monotonic() < self._until_s

    async def find(self, matches: Sequence[str], permit: Permit) -> dict[str, Sequence[Record]]:
        """Categories by path, in the tree that we write to."""
        tree = await self.tree(permit)
        target = await self.write_tree(permit) if tree else None
        by_path: dict[str, list[Record]] = {}
        wanted = set(matches)
        for category_id, data in tree.items():
            path = path_in(tree, category_id)
            if path is None or (data.tree_id and data.tree_id != target):
                continue
            match = path_match(path)
            if match in wanted:
                by_path.setdefault(match, []).append(category_record(data, path=path))
        return {match: by_path.get(match, []) for match in matches}

    async def write_tree(self, permit: Permit) -> int:
        """The tree that new categories go into: the configured one, or that of the lowest channel."""
        if self._write_tree is None:
            trees = (await self._client.read("/catalog/trees", permit, TREES)).data
            if not trees:
                raise RefusedError("the store has no category tree; make one or set category_tree_id", code="no-tree")
            self._write_tree = min(trees, key=lambda tree: (min(tree.channels, default=1 << 31), tree.id)).id
        return self._write_tree

    async def _by_ids(self, ids: Sequence[int], permit: Permit) -> Tree:
        found: dict[int, CategoryData] = {}
        for at in range(0, len(ids), PAGE):
            params: list[tuple[str, str | int]] = [
                ("category_id:in", ",".join(map(str, ids[at : at + PAGE]))),
                ("limit", PAGE),
            ]
            many = await self._client.read(PATH, permit, CATEGORIES, params)
            found.update({data.category_id: data for data in many.data})
        return found

    async def _whole(self, permit: Permit) -> Tree:
        filters: list[tuple[str, str | int]] = [("tree_id:in", self._configured_tree)] if self._configured_tree else []

        async def fetch(page: int) -> Many[CategoryData]:
            params: list[tuple[str, str | int]] = [*filters, ("page", page), ("limit", PAGE)]
            return await self._client.read(PATH, permit, CATEGORIES, params)

        return await read_steadily(fetch, page_size=PAGE, key=lambda data: data.category_id, what="categories")


def path_in(tree: Tree, category_id: int) -> list[str] | None:
    """Names from the root down to this category; None when the way up leaves the tree or runs in a circle."""
    names: list[str] = []
    at = category_id
    while at:
        data = tree.get(at)
        if data is None or len(names) > DEEPEST:
            return None
        names.append(data.name)
        at = data.parent_id
    return names[::-1]


def children_of(tree: Tree, ids: Iterable[int]) -> dict[int, list[int]]:
    """Direct children by parent, for those parents that have any."""
    wanted = set(ids)
    children: dict[int, list[int]] = {}
    for category_id, data in tree.items():
        if data.parent_id in wanted:
            children.setdefault(data.parent_id, []).append(category_id)
    return children
