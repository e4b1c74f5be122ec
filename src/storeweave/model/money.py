"""Money: amounts with their currency, and the one place where they are rounded (semantics 3.14)."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Final

import msgspec

from storeweave.model.errors import RefusedError

# ISO 4217 currencies whose minor unit is not a hundredth. Source: ISO 4217 list one.
_WHOLE: Final = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_EXPONENTS: Final = {
    **dict.fromkeys(
        [
            "BIF",
            "CLP",
            "DJF",
            "GNF",
            "ISK",
            "JPY",
            "KMF",
            "KRW",
            "PYG",
            "RWF",
            "UGX",
            "UYI",
            "VND",
            "VUV",
            "XAF",
            "XOF",
            "XPF",
        ],
        0,
    ),
    **dict.fromkeys(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"], 3),
    **dict.fromkeys(["CLF", "UYW"], 4),
}


class Rounding(StrEnum):
    """How a half is rounded where an amount leaves us."""

    HALF_UP = "half_up"
    HALF_EVEN = "half_even"


class Money(msgspec.Struct, frozen=True):
    """An amount in major units (19.99 for USD 19.99) with its ISO 4217 currency."""

    amount: Decimal
    currency: str


def exponent(currency: str) -> int:
    """Decimal places of a currency's minor unit: 2 for USD, 0 for JPY, 3 for KWD."""
    return _EXPONENTS.get(currency, 2)


def rounded(amount: Decimal, *, places: int, mode: Rounding = Rounding.HALF_UP) -> Decimal:
    """Round once, where the amount leaves us. ``places`` is what the destination stores."""
    how = ROUND_HALF_UP if mode is Rounding.HALF_UP else ROUND_HALF_EVEN
    return amount.quantize(Decimal(1).scaleb(-places), rounding=how)


def canonical(amount: Decimal) -> Decimal:
    """The one form of a number: no trailing zeros, no exponent, no negative zero.

    Raises RefusedError for NaN and infinity.
    """
    if not amount.is_finite():
        raise RefusedError(f"{amount} is not a number that can be kept", code="not-a-number")
    if amount == 0:
        return Decimal(0)
    text = format(amount, "f")
    return Decimal(text.rstrip("0").rstrip(".")) if "." in text else Decimal(text)


def canonical_text(amount: Decimal) -> str:
    """``canonical`` as text, for digests and storage."""
    return format(canonical(amount), "f")


def minor_units(money: Money) -> int:
    """Whole cents (or whatever the currency's minor unit is), half up."""
    places = exponent(money.currency)
    return int(rounded(money.amount, places=places).scaleb(places))


def split(money: Money, weights: list[int]) -> list[Money]:
    """Share an amount out by weights, by the largest remainder, so that the parts sum to the whole."""
    if not weights or min(weights) < 0 or sum(weights) == 0:
        raise ValueError("weights must be non-negative and not all zero")
    places = exponent(money.currency)
    total, whole = minor_units(money), sum(weights)
    shares = [total * w // whole for w in weights]
    remainders = sorted(range(len(weights)), key=lambda i: (-(total * weights[i] % whole), i))
    for i in remainders[: total - sum(shares)]:
        shares[i] += 1
    return [Money(Decimal(s).scaleb(-places), money.currency) for s in shares]
