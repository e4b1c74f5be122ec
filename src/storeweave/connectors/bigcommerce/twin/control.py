"""The control API under ``/__twin__/``: state for oracles, counters, faults, outages, a merchant's edits.

Served only when the twin was made with ``controlled``. It works during an outage, and counts as no call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from storeweave.connectors.bigcommerce.twin import dump
from storeweave.connectors.bigcommerce.twin.merchant import Merchant, MerchantError
from storeweave.twinkit.deliveries import Mishaps
from storeweave.twinkit.faults import FaultRates
from storeweave.twinkit.twin import CONTROL
from storeweave.twinkit.wire import Answer, Call, Refusal, encode

if TYPE_CHECKING:
    from storeweave.connectors.bigcommerce.twin.store import BigCommerceTwin

Deed = Callable[["BigCommerceTwin", Any], Any]


def answered(twin: BigCommerceTwin, call: Call) -> Answer:
    """Answer one control call; errors are 400 with a sentence."""
    deed = DEEDS.get(f"{call.method} {call.path[len(CONTROL) :]}")
    if deed is None:
        return Answer(404, encode({"error": "unknown", "known": sorted(DEEDS)}))
    twin.settle()
    try:
        result = deed(twin, call.json() if call.body else {})
    except (MerchantError, Refusal, msgspec.MsgspecError, TypeError, KeyError, AttributeError) as error:
        return Answer(400, encode({"error": f"{type(error).__name__}: {error}"}))
    return Answer(200, result if isinstance(result, bytes) else encode(result))


def _faults(twin: BigCommerceTwin, body: Any) -> Mapping[str, Any]:
    """``{"share": 0.12}`` strikes evenly; else the fields of FaultRates; empty: nothing goes wrong."""
    body = dict(body)
    share = body.pop("share", None)
    if share is not None:
        twin.faults.set(msgspec.structs.replace(FaultRates.evenly(float(share)), **_plain(body)))
    else:
        twin.faults.set(msgspec.convert(_plain(body), FaultRates) if body else None)
    return {"total": twin.faults.rates.total()}


def _plain(body: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: tuple(map(float, value))
        if isinstance(value, list)
        else (value if isinstance(value, str) else float(value))
        for name, value in body.items()
    }


def _outage(twin: BigCommerceTwin, body: Any) -> Mapping[str, Any]:
    twin.faults.outage = body.get("mode")
    return {"outage": twin.faults.outage}


def _mishaps(twin: BigCommerceTwin, body: Any) -> Mapping[str, Any]:
    twin.deliveries.mishaps = msgspec.convert(_plain(body), Mishaps)
    return {}


def _poison(twin: BigCommerceTwin, body: Any) -> Mapping[str, Any]:
    twin.shop.poisoned = {str(sku).lower() for sku in body["skus"]}
    return {"skus": sorted(twin.shop.poisoned)}


def _merchant(twin: BigCommerceTwin, body: Any) -> Any:
    """``{"deed": "edit_product", "with": {"sku": ..., "price": ...}}``"""
    deed = body["deed"]
    if deed.startswith("_") or not callable(getattr(Merchant, deed, None)):
        raise KeyError(deed)
    result = getattr(twin.merchant, deed)(**body.get("with", {}))
    return result if isinstance(result, int | str | list | None) else None


def _do(twin: BigCommerceTwin, body: Any) -> Any:
    return twin.merchant.do(body["method"], body["path"], body.get("body"))


def _hooks(twin: BigCommerceTwin, body: Any) -> Mapping[str, Any]:
    del body
    deliveries = twin.deliveries
    return {
        "hooks": list(twin.shop.announcer.hooks.values()),
        "events": dict(twin.shop.announcer.counts),
        "waiting": len(deliveries),
        "sent": deliveries.sent,
        "acknowledged": deliveries.acknowledged,
        "failed": deliveries.failed,
        "lost": deliveries.lost,
    }


def _reset(twin: BigCommerceTwin, body: Any) -> Mapping[str, Any]:
    del body
    twin.calls.reset()
    return {}


DEEDS: Mapping[str, Deed] = {
    "GET state": lambda twin, _: dump.store_json(twin.shop),
    "GET digest": lambda twin, _: {"sha256": dump.store_digest(twin.shop), "products": len(twin.shop.entries)},
    "GET calls": lambda twin, _: twin.calls.summary(),
    "POST calls/reset": _reset,
    "GET doubles": lambda twin, _: {"doubles": twin.shop.doubles, "recreated": twin.shop.recreated},
    "GET hooks": _hooks,
    "POST faults": _faults,
    "POST mishaps": _mishaps,
    "POST outage": _outage,
    "POST poison": _poison,
    "POST merchant": _merchant,
    "POST do": _do,
}
