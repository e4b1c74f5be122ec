"""Writing products: deletions, updates in batches over all changes, creations, then options, variants and images.

The order within one ``write`` is that of harm: what must go goes first, then prices and other fields, then parts, and
pictures last. After the first error of a change its later steps are left out; the next run sees what is missing.
Source: products_catalog.v3.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any, Final

import msgspec

from storeweave.connectors.bigcommerce.batches import write_rows
from storeweave.connectors.bigcommerce.image_writes import write_images
from storeweave.connectors.bigcommerce.limits import refuse_product
from storeweave.connectors.bigcommerce.option_writes import delete_options, write_options
from storeweave.connectors.bigcommerce.parallel import in_parallel
from storeweave.connectors.bigcommerce.payloads import Many, ProductData
from storeweave.connectors.bigcommerce.product_creates import create_product, shown_record
from storeweave.connectors.bigcommerce.product_fields import key_number, product_body
from storeweave.connectors.bigcommerce.product_reads import PAGE, ProductReads
from storeweave.connectors.bigcommerce.row_writes import RowPlan, delete_rows, has_rows, plan_rows
from storeweave.connectors.bigcommerce.session import LANE_WIDE, Session, Tally, may_be_missing, missing
from storeweave.connectors.bigcommerce.variant_writes import (
    VariantRow,
    base_fields,
    base_row,
    delete_variants,
    rows_of,
    write_variants,
)
from storeweave.connectors.bigcommerce.verdicts import SYSTEM
from storeweave.model.errors import RefusedError, StoreweaveError
from storeweave.model.kinds import Key
from storeweave.model.records import Op

PATH: Final = "/catalog/products"
BATCH: Final = 10
DELETE_BATCH: Final = 250
PRODUCTS: Final = msgspec.json.Decoder(Many[ProductData], float_hook=Decimal)
Step = Callable[[Session, Tally], Awaitable[None]]


class ProductWriter:
    """Writes products of one store."""

    def __init__(self, reads: ProductReads, *, at_once: int) -> None:
        self._reads = reads
        self._at_once = at_once

    async def write(self, session: Session) -> None:
        """All changes of one session."""
        tallies = list(session.tallies.values())
        for tally in tallies:
            _check(tally)
        await self._delete(session, [tally for tally in tallies if tally.change.op is Op.DELETE])
        updates = [tally for tally in tallies if tally.change.op is Op.UPDATE]
        creates = [tally for tally in tallies if tally.change.op is Op.CREATE]
        shown = await self._shown(session, updates)
        plans = {tally: plan_rows(tally, shown[tally.key]) for tally in updates if tally.goes_on and tally.key in shown}
        await self._each(session, updates, partial(_remove, plans=plans))
        await self._update(session, updates, plans)
        await self._each(session, updates, write_options)
        await write_variants(session, _variant_rows(updates, shown))
        await self._each(session, creates, partial(create_product, reads=self._reads))
        await self._each(session, [*updates, *creates], write_images)

    async def _delete(self, session: Session, tallies: Sequence[Tally]) -> None:
        """Many at once, by a filter of ids. Products that are gone already are no error."""

        async def send(batch: Sequence[Tally]) -> Sequence[Tally]:
            ids = ",".join(str(tally.key) for tally in batch)
            await session.send(
                batch, "DELETE", PATH, params=[("id:in", ids)], expect=(204,), template=PATH, size=len(batch)
            )
            return ()

        await write_rows([tally for tally in tallies if tally.goes_on], send, Tally.fail, most=DELETE_BATCH)

    async def _shown(self, session: Session, tallies: Sequence[Tally]) -> Mapping[Key | None, ProductData]:
        """Products as they are now, where ids of rows or of the base variant are needed; else nothing is read."""
        asking = [t for t in tallies if t.goes_on and (has_rows(t) or base_fields(t.change) is not None)]
        shown: dict[Key | None, ProductData] = {}
        for at in range(0, len(asking), PAGE):
            chunk = asking[at : at + PAGE]
            try:
                found = await self._reads.shown([int(str(tally.key)) for tally in chunk], session.permit)
            except LANE_WIDE:
                raise
            except StoreweaveError as error:
                for tally in chunk:
                    tally.fail(error)
                continue
            for tally in chunk:
                if int(str(tally.key)) in found:
                    shown[tally.key] = found[int(str(tally.key))]
                else:
                    tally.fail(missing("product", tally.key))
        return shown

    async def _each(self, session: Session, tallies: Sequence[Tally], step: Step) -> None:
        """Take one step for each change, several at a time."""

        async def one(tally: Tally) -> None:
            try:
                await step(session, tally)
            except LANE_WIDE:
                raise
            except StoreweaveError as error:
                tally.fail(error)

        await in_parallel([partial(one, tally) for tally in tallies if tally.goes_on], at_once=self._at_once)

    async def _update(
        self, session: Session, tallies: Sequence[Tally], plans: Mapping[Tally, Sequence[RowPlan]]
    ) -> None:
        rows: list[tuple[Tally, dict[str, Any]]] = []
        for tally in tallies:
            if not tally.goes_on:
                continue
            body = product_body(tally.change.fields)
            for plan in plans.get(tally, ()):
                if plan.body is not None:
                    body[plan.sort.member] = plan.body
            if body:
                rows.append((tally, {"id": int(str(tally.key)), **body}))

        async def send(batch: Sequence[tuple[Tally, dict[str, Any]]]) -> Sequence[tuple[Tally, dict[str, Any]]]:
            bodies = [body for _, body in batch]
            answer = await session.send(
                [tally for tally, _ in batch], "PUT", PATH, bodies, expect=(200,), size=len(batch)
            )
            found = {data.id: data for data in session.decode(answer, PRODUCTS, f"PUT {PATH}").data}
            for tally, body in batch:
                if body["id"] in found:
                    tally.record = shown_record(found[body["id"]], tally, currency=self._reads.currency)
            if answer.problem is None:
                return ()
            if len(batch) == 1:
                raise RefusedError(f"{SYSTEM} saved it only in part: {answer.problem}", code="partial")
            return [(tally, body) for tally, body in batch if not _shows(found.get(body["id"]), body)] or batch

        def fail(row: tuple[Tally, dict[str, Any]], error: StoreweaveError) -> None:
            row[0].fail(error)

        await write_rows(rows, send, fail, most=BATCH)
        await self._tell_missing(session, [tally for tally, _ in rows])

    async def _tell_missing(self, session: Session, tallies: Sequence[Tally]) -> None:
        """Of the refused ones, tell those that are not there any more."""
        refused = [tally for tally in tallies if tally.error is not None and may_be_missing(tally.error)]
        for at in range(0, len(refused), PAGE):
            chunk = refused[at : at + PAGE]
            try:
                there = await self._reads.shown([int(str(tally.key)) for tally in chunk], session.permit)
            except LANE_WIDE:
                raise
            except StoreweaveError:
                return  # the refusals stand as they are
            for tally in chunk:
                if int(str(tally.key)) not in there:
                    tally.error = missing("product", tally.key)


def _shows(data: ProductData | None, body: Mapping[str, Any]) -> bool:
    """Whether an answer shows a product with all the plain values that were sent."""
    if data is None:
        return False
    shown = msgspec.to_builtins(data, builtin_types=(Decimal,))
    for name, value in body.items():
        theirs = shown.get(name)
        if isinstance(value, dict):
            if not isinstance(theirs, dict) or theirs.get("url") != value.get("url"):
                return False
        elif not isinstance(value, list) and theirs != value:
            return False
    return True


def _check(tally: Tally) -> None:
    """Refuse before sending what cannot be held."""
    change = tally.change
    try:
        if change.op is not Op.CREATE:
            key_number("the change", change.key)
        if change.op is not Op.DELETE:
            refuse_product(change)
            product_body(change.fields)
    except RefusedError as error:
        tally.fail(error)


async def _remove(session: Session, tally: Tally, *, plans: Mapping[Tally, Sequence[RowPlan]]) -> None:
    """Everything that must go from a product: variants before the values that they use, values before options."""
    await delete_variants(session, tally)
    await delete_options(session, tally)
    await delete_rows(session, tally, plans.get(tally, ()))


def _variant_rows(tallies: Sequence[Tally], shown: Mapping[Key | None, ProductData]) -> list[VariantRow]:
    rows: list[VariantRow] = []
    for tally in tallies:
        if not tally.goes_on:
            continue
        try:
            rows.extend(rows_of(tally))
            fields = base_fields(tally.change)
            if fields is not None:
                rows.append(base_row(tally, fields, shown[tally.key]))
        except StoreweaveError as error:
            tally.fail(error)
    return rows
