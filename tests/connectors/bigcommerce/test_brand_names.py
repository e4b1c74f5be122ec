"""Brands are found again by their names, however those are spelt."""

import pytest

from storeweave.model.kinds import Kind
from tests.connectors.bigcommerce.seat import FREE, Seat, new


@pytest.mark.parametrize("name", ["Große Weberei", "Ο Αργαλειός", "Acme"])
async def test_a_brand_is_found_under_its_folded_name(name: str) -> None:
    seat = Seat()
    (made,) = await seat.written(new(Kind.BRAND, "b", {"name": name}))
    assert made.key is not None
    (identity,) = (await seat.read(made.key, Kind.BRAND)).matches

    found = await seat.connector.find(Kind.BRAND, [identity], FREE)

    assert [record.key for record in found[identity]] == [made.key]
