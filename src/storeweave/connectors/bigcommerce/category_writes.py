"""Writing categories: 50 to a call, parents before their children, none deleted that still has children.

The answer to a creation lists what was saved, the answer to a change only counts; so a change that is refused or saved
in part is halved until each row has an answer of its own.
Source: POST, PUT and DELETE /catalog/trees/categories in category-trees_catalog.v3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any, Final

import msgspec

from storeweave.connectors.bigcommerce.batches import write_rows
from storeweave.connectors.bigcommerce.category_reads import PATH, CategoryReads, children_of
from storeweave.connectors.bigcommerce.limits import CATEGORY_CHARS, refuse_texts
from storeweave.connectors.bigcommerce.payloads import CategoryData, Counted, Many
from storeweave.connectors.bigcommerce.product_fields import key_number, words
from storeweave.connectors.bigcommerce.records import category_record
from storeweave.connectors.bigcommerce.session import LANE_WIDE, Session, Tally, may_be_missing, missing
from storeweave.connectors.bigcommerce.verdicts import SYSTEM
from storeweave.model.errors import RefusedError, StoreweaveError, UnknownOutcomeError
from storeweave.model.kinds import Key
from storeweave.model.records import Fields, Op

BATCH: Final = 50
DELETE_BATCH: Final = 250
CREATED: Final = msgspec.json.Decoder(Many[CategoryData], float_hook=Decimal)
COUNTED: Final = msgspec.json.Decoder(Counted)
Row = tuple[Tally, dict[str, Any]]

_TEXTS: Final = (
    "name description page_title meta_description search_keywords layout_file default_product_sort image_url"
)


def category_body(fields: Fields) -> dict[str, Any]:
    """Our fields as members of theirs, without parent and tree. Raises RefusedError."""
    refuse_texts(fields, CATEGORY_CHARS)
    body: dict[str, Any] = {name: fields[name] or "" for name in _TEXTS.split() if name in fields}
    if body.get("default_product_sort") == "":
        del body["default_product_sort"]
    if "sort_order" in fields:
        body["sort_order"] = fields["sort_order"] or 0
    if "is_visible" in fields:
        body["is_visible"] = bool(fields["is_visible"])
    if "meta_keywords" in fields:
        body["meta_keywords"] = words("meta_keywords", fields["meta_keywords"])
    if fields.get("url_path"):
        body["url"] = {"path": fields["url_path"], "is_customized": True}
    return body


class CategoryWriter:
    """Writes categories of one store."""

    def __init__(self, reads: CategoryReads) -> None:
        self._reads = reads

    async def write(self, session: Session) -> None:
        """All changes of one session."""
        tallies = list(session.tallies.values())
        self._reads.forget()
        try:
            await self._delete(session, [tally for tally in tallies if tally.change.op is Op.DELETE])
            rows = await self._rows(session, [tally for tally in tallies if tally.change.op is not Op.DELETE])
            creates = [row for row in rows if row[0].change.op is Op.CREATE]
            updates = [row for row in rows if row[0].change.op is Op.UPDATE]
            await write_rows(creates, partial(_create, session), _fail, most=BATCH)
            await write_rows(updates, partial(_update, session), _fail, most=BATCH)
            await self._tell_missing(session, [tally for tally, _ in updates])
            await self._show_images(session, [tally for tally, body in updates if "image_url" in body])
        finally:
            self._reads.forget()

    async def _rows(self, session: Session, tallies: Sequence[Tally]) -> list[Row]:
        rows: list[Row] = []
        for tally in tallies:
            change = tally.change
            try:
                body = category_body(change.fields)
                if change.op is Op.UPDATE:
                    body = {"category_id": key_number("the change", change.key), **body}
                if change.op is Op.CREATE or "parent" in change.fields:
                    parent = change.fields.get("parent")
                    body["parent_id"] = key_number("parent", parent) if parent is not None else 0
                if change.op is Op.CREATE:
                    body = {name: value for name, value in body.items() if value or name != "image_url"}
                    body["tree_id"] = await self._reads.write_tree(session.permit)
                if body.keys() - {"category_id"}:
                    rows.append((tally, body))
            except LANE_WIDE:
                raise
            except StoreweaveError as error:
                tally.fail(error)
        return rows

    async def _show_images(self, session: Session, tallies: Sequence[Tally]) -> None:
        """Look at what became of images: they get an address of the store's own, and the answer doesn't show it."""
        keys = [tally.key for tally in tallies if tally.goes_on and tally.key is not None]
        try:
            found = await self._reads.read(keys, session.permit) if keys else {}
        except LANE_WIDE:
            raise
        except StoreweaveError:
            return  # written it is; the next read shows it
        for tally in tallies:
            record = found.get(tally.key) if tally.key is not None else None
            if record is not None:
                tally.record = msgspec.structs.replace(record, digest=b"")

    async def _tell_missing(self, session: Session, tallies: Sequence[Tally]) -> None:
        """Of the refused ones, tell those that are not there any more."""
        refused = [tally for tally in tallies if tally.error is not None and may_be_missing(tally.error)]
        keys = [key for tally in refused if (key := tally.key) is not None]
        try:
            there = await self._reads.read(keys, session.permit)
        except LANE_WIDE:
            raise
        except StoreweaveError:
            return  # the refusals stand as they are
        for tally in refused:
            if tally.key is not None and there[tally.key] is None:
                tally.error = missing("category", tally.key)

    async def _delete(self, session: Session, tallies: Sequence[Tally]) -> None:
        """Deleting a category takes everything below it along; so one with children that are to stay is refused."""
        going = {int(str(tally.key)): tally for tally in tallies if str(tally.key).isdigit()}
        if not going:
            return
        try:
            tree = await self._reads.tree(session.permit, fresh=True)
        except LANE_WIDE:
            raise
        except StoreweaveError as error:
            for tally in tallies:
                tally.fail(error)
            return
        for parent, children in _kept_children(children_of(tree, tree), going).items():
            going[parent].fail(
                RefusedError(
                    f"category {parent} still has {len(children)} below it that are to stay; move or delete them first",
                    code="has-children",
                )
            )

        async def send(batch: Sequence[Tally]) -> Sequence[Tally]:
            ids = ",".join(str(tally.key) for tally in batch)
            params = [("category_id:in", ids)]
            await session.send(batch, "DELETE", PATH, params=params, expect=(202, 204), size=len(batch))
            return ()

        await write_rows([tally for tally in tallies if tally.goes_on], send, Tally.fail, most=DELETE_BATCH)


async def _create(session: Session, batch: Sequence[Row]) -> Sequence[Row]:
    bodies = [body for _, body in batch]
    tallies = [tally for tally, _ in batch]
    answer = await session.send(tallies, "POST", PATH, bodies, expect=(200, 201), size=len(batch))
    shown = session.decode(answer, CREATED, f"POST {PATH}").data
    left = list(shown)
    unsaved: list[Row] = []
    for tally, body in batch:
        data = next((data for data in left if _is_same(body, data)), None)
        if data is None:
            unsaved.append((tally, body))
            continue
        left.remove(data)
        tally.key = Key(str(data.category_id))
        tally.record = msgspec.structs.replace(category_record(data, path=None), digest=b"")
    if not unsaved:
        return ()
    if answer.problem is None:
        for tally, _ in unsaved:
            tally.fail(UnknownOutcomeError(f"{SYSTEM} did not show the new category in its answer"))
        return ()
    if len(batch) == 1:
        raise _partial(answer.problem)
    return unsaved


async def _update(session: Session, batch: Sequence[Row]) -> Sequence[Row]:
    bodies = [body for _, body in batch]
    tallies = [tally for tally, _ in batch]
    answer = await session.send(tallies, "PUT", PATH, bodies, expect=(200,), size=len(batch))
    counted = session.decode(answer, COUNTED, f"PUT {PATH}").meta
    if answer.problem is None and not counted.failed:
        return ()
    if len(batch) == 1:
        raise _partial(answer.problem or "the answer counts a failure")
    return batch


def _kept_children(children: Mapping[int, Sequence[int]], going: Mapping[int, Tally]) -> dict[int, list[int]]:
    """Of the categories to be deleted, those under which something stays, and what."""

    def staying(category_id: int) -> list[int]:
        below = children.get(category_id, ())
        kept = [child for child in below if child not in going]
        for child in below:
            if child in going:
                kept.extend(staying(child))
        return kept

    return {category_id: kept for category_id in going if (kept := staying(category_id))}


def _is_same(body: dict[str, Any], data: CategoryData) -> bool:
    return bool(data.name.strip().casefold() == body["name"].strip().casefold() and data.parent_id == body["parent_id"])


def _partial(problem: str) -> RefusedError:
    lower = problem.lower()
    taken = any(word in lower for word in ("already", "duplicate", "unique", "exists"))
    return RefusedError(f"{SYSTEM} did not save the category: {problem}", code="duplicate" if taken else "invalid")


def _fail(row: Row, error: StoreweaveError) -> None:
    row[0].fail(error)
