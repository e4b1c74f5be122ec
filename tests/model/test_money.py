"""Money is exact, rounded once, and never made or lost by sharing it out."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storeweave.model.errors import RefusedError
from storeweave.model.money import Money, Rounding, canonical, canonical_text, exponent, minor_units, rounded, split

finite = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12)
currencies = st.sampled_from(("USD", "EUR", "JPY", "KWD", "CLF", "ZZZ"))


@pytest.mark.parametrize(
    ("amount", "places", "half_up", "half_even"),
    [
        ("1.005", 2, "1.01", "1.00"),
        ("1.015", 2, "1.02", "1.02"),
        ("2.5", 0, "3", "2"),
        ("-2.5", 0, "-3", "-2"),
        ("0.00004999", 4, "0.0000", "0.0000"),
        ("19.99", 4, "19.9900", "19.9900"),
    ],
)
def test_a_half_is_rounded_as_the_flow_says(amount: str, places: int, half_up: str, half_even: str) -> None:
    assert rounded(Decimal(amount), places=places) == Decimal(half_up)
    assert rounded(Decimal(amount), places=places, mode=Rounding.HALF_EVEN) == Decimal(half_even)


@given(amount=finite, places=st.integers(0, 4), mode=st.sampled_from(Rounding))
def test_rounding_twice_is_the_same_as_once(amount: Decimal, places: int, mode: Rounding) -> None:
    once = rounded(amount, places=places, mode=mode)
    assert rounded(once, places=places, mode=mode) == once
    assert abs(once - amount) <= Decimal(1).scaleb(-places) / 2


@given(amount=finite)
def test_the_canonical_form_is_reached_at_once_and_means_the_same(amount: Decimal) -> None:
    once = canonical(amount)
    assert once == amount
    assert canonical(once).as_tuple() == once.as_tuple()


@given(amount=finite, zeros=st.integers(0, 6))
def test_equal_amounts_have_one_text(amount: Decimal, zeros: int) -> None:
    longer = Decimal(format(amount, "f") + ("" if "." in format(amount, "f") else ".") + "0" * zeros)
    assert canonical_text(longer) == canonical_text(amount)
    assert Decimal(canonical_text(amount)) == amount


@pytest.mark.parametrize(
    ("given_", "text"), [("1E+3", "1000"), ("-0.00", "0"), ("10.500", "10.5"), ("100", "100"), ("0.0001", "0.0001")]
)
def test_canonical_texts_are_plain(given_: str, text: str) -> None:
    assert canonical_text(Decimal(given_)) == text


@pytest.mark.parametrize("odd", ["NaN", "Infinity", "-Infinity", "sNaN"])
def test_what_is_no_number_is_refused(odd: str) -> None:
    with pytest.raises(RefusedError):
        canonical(Decimal(odd))


@pytest.mark.parametrize(("currency", "places"), [("USD", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4), ("ZZZ", 2)])
def test_minor_units_are_those_of_the_currency(currency: str, places: int) -> None:
    assert exponent(currency) == places
    assert minor_units(Money(Decimal(12), currency)) == 12 * 10**places


@given(
    cents=st.integers(0, 10**9),
    currency=currencies,
    weights=st.lists(st.integers(0, 1000), min_size=1, max_size=12).filter(any),
)
def test_shares_sum_to_the_whole_and_are_fair(cents: int, currency: str, weights: list[int]) -> None:
    whole = Money(Decimal(cents).scaleb(-exponent(currency)), currency)
    shares = split(whole, weights)
    assert sum(share.amount for share in shares) == whole.amount
    unit = Decimal(1).scaleb(-exponent(currency))
    for share, weight in zip(shares, weights, strict=True):
        assert share.currency == currency
        assert abs(share.amount - whole.amount * weight / sum(weights)) < unit
        assert weight or not share.amount


@pytest.mark.parametrize("weights", [[], [0, 0], [1, -1]])
def test_nothing_can_be_shared_among_nobody(weights: list[int]) -> None:
    with pytest.raises(ValueError, match="weights"):
        split(Money(Decimal(1), "USD"), weights)
