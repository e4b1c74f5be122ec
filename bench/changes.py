"""(a) Calls per change: ours, the procedure of brief 1, and the fewest that the API allows, for the same changes.

Each change is made once in store A. Then our hub brings it to store B and the procedure of brief 1 brings it to store
C, and the stores count what they were asked. We get notices as webhooks give them; where no webhook tells of a change
(images) the notice stands for the sweep that finds it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.brief_procedure import BriefProcedure, RefusedCallError, Shop
from bench.report import Must, Section, Table
from bench.stage import FLOW, TOKEN, A, Stage, open_stage
from storeweave.connectors.bigcommerce.twin import BigCommerceTwin, Figures, agreement
from storeweave.connectors.bigcommerce.twin.merchant import Merchant
from storeweave.model.kinds import Key, Kind
from storeweave.model.records import Cause, Notice

VARIANTS, IMAGES, PRODUCTS = 20, 10, 12
HOW = (
    f"Each product has {VARIANTS} variants and {IMAGES} images. Writes and reads as counted by the stores: ours at B "
    "and A, the procedure of brief 1 at C and A, for one and the same change. 'fewest' is what the API allows when "
    "everything about both stores is known already."
)
Deed = Callable[[Merchant, Sequence[str]], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A typical change: what the merchant does, the fewest writes that can bring it over, and what was promised."""

    name: str
    deed: Deed
    fewest: int
    promised: int | None = None
    products: int = 1
    quiet: bool = False  # no webhook tells of it, so brief 1's procedure does not even start


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Calls that one change cost. ``note``: what else must be said."""

    writes: int
    reads: int
    note: str = ""


def _each_price(merchant: Merchant, skus: Sequence[str]) -> None:
    for sku in skus:
        merchant.edit_product(sku, price=merchant.product(sku).product.price + 1)


def _in_new_category(merchant: Merchant, skus: Sequence[str]) -> None:
    number = merchant.create_category("New this week")
    there = merchant.product(skus[0]).product.categories
    merchant.edit_product(skus[0], categories=[*there, number])


def _new_variant(merchant: Merchant, skus: Sequence[str]) -> None:
    entry = merchant.product(skus[0])
    labels = {option.display_name: option.option_values[0].label for option in entry.options}
    labels[entry.options[-1].display_name] = "Brand new"
    merchant.add_variant(skus[0], f"{skus[0]}-NEW", labels, price=17)


def _renamed(merchant: Merchant, skus: Sequence[str]) -> None:
    number = merchant.product(skus[0]).product.id
    merchant.do("PUT", f"/catalog/products/{number}", {"sku": f"{skus[0]}-R"})


CHANGES = (
    Change(name="nothing changed", deed=lambda _m, _s: None, fewest=0, promised=0),
    Change(name="price", deed=_each_price, fewest=1, promised=1),
    Change(
        name="description",
        deed=lambda m, s: m.edit_product(s[0], description="<p>Now in blue.</p>"),
        fewest=1,
        promised=1,
    ),
    Change(
        name="one variant's price",
        deed=lambda m, s: m.edit_variant(f"{s[0]}-002", price=33),
        fewest=1,
        promised=1,
    ),
    Change(name="new image", deed=lambda m, s: m.add_image(s[0], "new"), fewest=1, promised=1),
    Change(name="image order", deed=lambda m, s: m.edit_image(s[0], 3, sort_order=90), fewest=1, quiet=True),
    Change(name="image deleted", deed=lambda m, s: m.delete_image(s[0], 2), fewest=1, quiet=True),
    Change(name="new variant with a new option value", deed=_new_variant, fewest=2),
    Change(name="variant deleted", deed=lambda m, s: m.delete_variant(f"{s[0]}-005"), fewest=1),
    Change(name="put into a new category", deed=_in_new_category, fewest=2),
    Change(name="10 products' prices", deed=_each_price, fewest=1, promised=1, products=10),
    Change(name="SKU renamed", deed=_renamed, fewest=1),
)


async def measure() -> Section:
    """All changes, one after the other, on three stores that agree at the start."""
    figures = Figures(
        products=PRODUCTS,
        exact_variants=VARIANTS,
        exact_images=IMAGES,
        without_sku=0,
        variants_without_sku=0,
        digital=0,
    )
    with tempfile.TemporaryDirectory(prefix="storeweave-bench-") as folder:
        async with open_stage(figures, Path(folder)) as stage:
            await stage.hub.full(FLOW)
            await stage.hub.idle()
            brief = BriefProcedure(_shop(stage, stage.a), _shop(stage, stage.c))
            for product_id in list(stage.a.shop.entries):
                await brief.sync(product_id)
            rows = [(change, await _ours_and_briefs(stage, brief, change)) for change in CHANGES]
            agrees = agreement(stage.a, stage.b)
    return Section(
        letter="a",
        title="Calls per change",
        how=HOW,
        tables=[_table(rows)],
        musts=[*_musts(rows), Must(claim="stores A and B agree afterwards", figure=f"{agrees:.0%}", holds=agrees == 1)],
    )


async def _ours_and_briefs(stage: Stage, brief: BriefProcedure, change: Change) -> tuple[Counted, Counted]:
    skus = stage.a.merchant.skus()[: change.products]
    ids = [stage.a.merchant.product(sku).product.id for sku in skus]
    change.deed(stage.a.merchant, skus)
    stage.reset()
    await stage.hub.journal.accept(
        [Notice(connection=A, kind=Kind.PRODUCT, key=Key(str(number)), cause=Cause.WEBHOOK) for number in ids]
    )
    await stage.hub.idle()
    ours = Counted(writes=stage.b.calls.writes, reads=stage.a.calls.reads + stage.b.calls.reads)
    stage.reset()
    note = "no webhook tells of it" if change.quiet else ""
    for number in ids:
        try:
            await brief.sync(number)
        except RefusedCallError:
            note = "refused, for ever"
    return ours, Counted(writes=stage.c.calls.writes, reads=stage.a.calls.reads + stage.c.calls.reads, note=note)


def _shop(stage: Stage, twin: BigCommerceTwin) -> Shop:
    return Shop(f"{twin.origin}/stores/{twin.settings.store_hash}/v3", TOKEN, stage.transport)


def _table(rows: Sequence[tuple[Change, tuple[Counted, Counted]]]) -> Table:
    return Table(
        caption="Calls",
        columns=(
            "change",
            "our writes",
            "our reads",
            "brief 1 writes",
            "brief 1 reads",
            "fewest writes",
            "brief 1 / ours, all calls",
            "",
        ),
        rows=[
            (
                change.name,
                ours.writes,
                ours.reads,
                briefs.writes,
                briefs.reads,
                change.fewest,
                f"{(briefs.writes + briefs.reads) / max(ours.writes + ours.reads, 1):.0f}",
                f"brief 1: {briefs.note}" if briefs.note else "",
            )
            for change, (ours, briefs) in rows
        ],
    )


def _musts(rows: Sequence[tuple[Change, tuple[Counted, Counted]]]) -> list[Must]:
    return [
        Must(
            claim=f"writes for {change.name}: {change.promised}",
            figure=f"{ours.writes}",
            holds=ours.writes <= change.promised,
        )
        for change, (ours, _) in rows
        if change.promised is not None
    ]
