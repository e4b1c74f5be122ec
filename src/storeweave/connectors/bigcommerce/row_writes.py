"""Writing rows without identity of ours: custom fields, bulk prices, videos. Their ids are read just before.

A PUT of the product changes rows that it gives with an id and adds those without; whether it removes rows that it
doesn't list is not said. So all rows that stay are listed with their ids, and what must go is deleted by its own
call, first, so that ranges of quantities never overlap and no field is there twice meanwhile.
Source: product_Put and the sub-resources in products_catalog.v3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET

from storeweave.connectors.bigcommerce.option_writes import delete
from storeweave.connectors.bigcommerce.payloads import ProductData
from storeweave.connectors.bigcommerce.product_bodies import bulk_rule_body, custom_field_body, sorted_rows, video_body
from storeweave.connectors.bigcommerce.records import bulk_rule_row, custom_field_row, video_row
from storeweave.connectors.bigcommerce.session import Session, Tally

Row = tuple[str, ...]


class RowSort(msgspec.Struct, frozen=True):
    """One sort of rows: our field, their member, the folder of their sub-resource, and the forms of a row."""

    field: str
    member: str
    folder: str
    read: Callable[[Any], Row]
    write: Callable[[Row], dict[str, Any]]
    changeable: bool = False  # a row may become another one under its old id without ever colliding


ROW_SORTS: Final = (
    RowSort("custom_fields", "custom_fields", "custom-fields", custom_field_row, custom_field_body, changeable=True),
    RowSort("bulk_pricing", "bulk_pricing_rules", "bulk-pricing-rules", bulk_rule_row, bulk_rule_body),
    RowSort("videos", "videos", "videos", video_row, video_body),
)


class RowPlan(msgspec.Struct):
    """What to do about one sort of rows of one product."""

    sort: RowSort
    kept: list[tuple[int, Row]]
    changed: list[tuple[int, Row]]
    added: list[Row]
    removed: list[int]

    @property
    def body(self) -> list[dict[str, Any]] | None:
        """The member of the product's PUT; None when there is nothing to change or add."""
        if not self.changed and not self.added:
            return None
        told = [{"id": row_id, **self.sort.write(row)} for row_id, row in [*self.kept, *self.changed]]
        return [*told, *map(self.sort.write, self.added)]


def has_rows(tally: Tally) -> bool:
    """Whether a change says anything about rows."""
    return any(sort.field in tally.change.fields for sort in ROW_SORTS)


def plan_rows(tally: Tally, shown: ProductData) -> list[RowPlan]:
    """The least that turns the rows that are there into those that are wanted."""
    plans = []
    for sort in ROW_SORTS:
        if sort.field not in tally.change.fields:
            continue
        present = getattr(shown, sort.member)
        there = [(item.id, sort.read(item)) for item in (present if present is not UNSET else ())]
        plans.append(_plan(sort, there, sorted_rows(tally.change.fields[sort.field])))
    return plans


def _plan(sort: RowSort, there: Sequence[tuple[int, Row]], wanted: Sequence[Row]) -> RowPlan:
    missing = list(wanted)
    kept: list[tuple[int, Row]] = []
    spare: list[tuple[int, Row]] = []
    for row_id, row in there:
        if row in missing:
            missing.remove(row)
            kept.append((row_id, row))
        else:
            spare.append((row_id, row))
    changed: list[tuple[int, Row]] = []
    if sort.changeable or (len(spare) == len(missing) == 1 and sort.field == "bulk_pricing"):
        for row in list(missing):
            old = next((item for item in spare if item[1][0] == row[0]), spare[0] if spare else None)
            if old is not None:
                spare.remove(old)
                missing.remove(row)
                changed.append((old[0], row))
    return RowPlan(sort, kept, changed, missing, [row_id for row_id, _ in spare])


async def delete_rows(session: Session, tally: Tally, plans: Sequence[RowPlan]) -> None:
    """Delete the rows that must go."""
    for plan in plans:
        for row_id in plan.removed:
            folder = f"/catalog/products/{tally.key}/{plan.sort.folder}"
            template = f"/catalog/products/{{product_id}}/{plan.sort.folder}/{{id}}"
            await delete(session, tally, f"{folder}/{row_id}", template=template)
