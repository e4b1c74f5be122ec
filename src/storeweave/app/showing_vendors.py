"""What vendors tell of accounts and webhook subscriptions, as people are shown it."""

from __future__ import annotations

import re
from typing import Final

from storeweave.app.shown import CheckShown, HookShown
from storeweave.model.errors import StoreweaveError
from storeweave.model.kinds import ConnectionName
from storeweave.ports.connector import Account, HookedConnector, HookReport
from storeweave.ports.permit import Permit

SKEW_TOLD_S: Final = 60.0
_SECRET_PART: Final = re.compile(r"(/webhooks/[^/\s]+/)[^/\s\"',]+")


async def listed(name: ConnectionName, connector: HookedConnector) -> list[HookShown]:
    """Subscriptions as the vendor has them."""
    return [
        HookShown(
            connection=name,
            id=hook.id,
            scope=hook.scope,
            destination=without_secret(hook.destination),
            state="foreign" if not hook.is_ours else "active" if hook.is_active else "inactive",
        )
        for hook in await connector.list_hooks(Permit())
    ]


def without_secret(text: str) -> str:
    """A webhook address, or a vendor's words about one, without the unguessable part of ours."""
    return _SECRET_PART.sub(r"\1***", text)


def reported(name: ConnectionName, report: HookReport | StoreweaveError) -> list[HookShown]:
    """What `ensure` did, by scope."""
    if isinstance(report, StoreweaveError):
        return [HookShown(connection=name, scope="", state="failed", reason=without_secret(str(report)))]
    by_state = {"created": report.created, "activated": report.activated, "moved": report.moved,
                "removed": report.removed, "kept": report.kept}  # fmt: skip
    return [
        HookShown.model_validate({"connection": name, "scope": scope, "state": state})
        for state, scopes in by_state.items()
        for scope in scopes
    ]


def checked(name: str, found: Account | StoreweaveError) -> CheckShown:
    """What trying the credentials showed."""
    if isinstance(found, StoreweaveError):
        remedy = "correct its settings, then run `storeweave check` again"
        return CheckShown(name=name, state="failed", text=str(found), remedy=remedy)
    text = f"{found.name} ({found.currency or 'no currency'})"
    if found.missing_scopes:
        missing = ", ".join(found.missing_scopes)
        return CheckShown(name=name, state="warning", text=f"{text}; lacks {missing}", remedy="add these scopes")
    if found.clock_skew_s is not None and abs(found.clock_skew_s) > SKEW_TOLD_S:
        text = f"{text}; its clock and ours are {found.clock_skew_s:.0f} s apart"
        return CheckShown(name=name, state="warning", text=text, remedy="set this machine's clock")
    return CheckShown(name=name, state="ok", text="; ".join([text, *found.notes]))
