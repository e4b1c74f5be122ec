"""Addresses of brands that BigCommerce makes itself but does not take from us."""

from storeweave.model.kinds import Kind
from tests.connectors.bigcommerce.seat import Seat, new, update


async def test_an_update_of_nothing_that_can_be_sent_shows_what_is_there() -> None:
    seat = Seat()
    (made,) = await seat.written(new(Kind.BRAND, "b", {"name": "織屋", "url_path": "/brands/織屋/"}))
    assert made.key is not None
    there = await seat.read(made.key, Kind.BRAND)
    before = seat.writes()
    (outcome,) = await seat.written(update(there, {"url_path": "/brands/織屋/"}))
    assert seat.writes() == before
    assert outcome.record is not None
    assert outcome.record.fields["url_path"] == there.fields["url_path"] == "/織屋/"
