"""Webhooks: which subscriptions we keep, whose they are, and what a delivery says may have changed.

The body of a delivery is a hint and names keys only. What no hook tells of (deleted images, option values, brands,
the state of a listing) is found by polling and by the sweep.
Source: webhooks.v3, the vendor's event pages and callback samples.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from storeweave.connectors.bigcommerce.client import Client
from storeweave.connectors.bigcommerce.payloads import HookData, Many, One
from storeweave.connectors.bigcommerce.settings import BigCommerceSettings
from storeweave.connectors.bigcommerce.signatures import ID, SECRET_HEADER, verify
from storeweave.connectors.bigcommerce.steady import read_steadily
from storeweave.model.errors import BadRequestError, ConfigError, RefusedError
from storeweave.model.kinds import ConnectionName, Key, Kind
from storeweave.model.records import Cause, Event, Notice, Priority
from storeweave.model.strict_json import read_strictly
from storeweave.ports.connector import HookReport, HookRequest, HookState
from storeweave.ports.permit import Permit

PATH: Final = "/hooks"
ONE: Final = f"{PATH}/{{webhook_id}}"
PAGE: Final = 250
HOOKS: Final = msgspec.json.Decoder(Many[HookData])
HOOK: Final = msgspec.json.Decoder(One[HookData])
OWNER_HEADER: Final = "x-storeweave-connection"

SCOPES: Final = (
    "store/product/created",
    "store/product/updated",
    "store/product/deleted",
    "store/category/created",
    "store/category/updated",
    "store/category/deleted",
    "store/sku/created",
    "store/sku/updated",
    "store/sku/deleted",
    "store/product/inventory/updated",
    "store/product/inventory/order/updated",
    "store/sku/inventory/updated",
    "store/sku/inventory/order/updated",
)
CHANNEL_SCOPES: Final = ("store/channel/{channel_id}/product/assigned", "store/channel/{channel_id}/product/unassigned")


class Webhooks:
    """The subscriptions of one connection and the deliveries to it."""

    def __init__(self, client: Client, settings: BigCommerceSettings, connection: ConnectionName) -> None:
        self._client = client
        self._connection = connection
        self._settings = settings
        self._client_secret = _revealed(settings.client_secret)
        self._hook_secret = _revealed(settings.hook_secret)
        self._marker = f"/webhooks/{connection}/"

    @property
    def scopes(self) -> tuple[str, ...]:
        """What we listen to."""
        channel_id = self._settings.channel_id
        if channel_id is None:
            return SCOPES
        return (*SCOPES, *(scope.format(channel_id=channel_id) for scope in CHANNEL_SCOPES))

    @property
    def _headers(self) -> dict[str, str]:
        headers = {OWNER_HEADER: str(self._connection)}
        if self._hook_secret:
            headers[SECRET_HEADER] = self._hook_secret
        return headers

    async def states(self, permit: Permit) -> Sequence[HookState]:
        """All subscriptions of our API account."""
        return [self._state(hook) for hook in await self._all(permit)]

    async def ensure(self, url: str, permit: Permit) -> HookReport:
        """One active subscription per scope at ``url`` with our headers; ours for other scopes are removed."""
        self._refuse_url(url)
        ours = [hook for hook in await self._all(permit) if self._is_ours(hook)]
        created, activated, moved, removed, kept = [], [], [], [], []
        for scope in self.scopes:
            mine = [hook for hook in ours if hook.scope == scope]
            best = min(mine, key=lambda hook: (hook.destination != url, not hook.is_active, hook.id), default=None)
            for spare in mine:
                if spare is not best:
                    await self._remove(spare, permit)
                    removed.append(scope)
            wanted = {"scope": scope, "destination": url, "is_active": True, "headers": self._headers}
            if best is None:
                answer = await self._client.write("POST", PATH, permit, wanted, expect=(200, 201))
                self._client.decoded_write(answer, HOOK, f"POST {PATH}")
                created.append(scope)
            elif best.destination != url or _lower(best.headers) != self._headers:
                await self._put(best, wanted, permit)
                moved.append(scope)
            elif not best.is_active:
                await self._put(best, {"is_active": True}, permit)
                activated.append(scope)
            else:
                kept.append(scope)
        for hook in ours:
            if hook.scope not in self.scopes:
                await self._remove(hook, permit)
                removed.append(hook.scope)
        return HookReport(
            created=tuple(created),
            activated=tuple(activated),
            moved=tuple(moved),
            removed=tuple(removed),
            kept=tuple(kept),
        )

    async def remove(self, permit: Permit) -> int:
        """Remove ours and only ours."""
        ours = [hook for hook in await self._all(permit) if self._is_ours(hook)]
        for hook in ours:
            await self._remove(hook, permit)
        return len(ours)

    async def _all(self, permit: Permit) -> list[HookData]:
        async def fetch(page: int) -> Many[HookData]:
            return await self._client.read(PATH, permit, HOOKS, [("page", page), ("limit", PAGE)])

        return list((await read_steadily(fetch, page_size=PAGE, key=lambda hook: hook.id, what="webhooks")).values())

    async def _put(self, hook: HookData, body: Mapping[str, Any], permit: Permit) -> None:
        answer = await self._client.write("PUT", f"{PATH}/{hook.id}", permit, body, expect=(200,))
        self._client.decoded_write(answer, HOOK, f"PUT {PATH}")

    async def _remove(self, hook: HookData, permit: Permit) -> None:
        try:
            await self._client.write("DELETE", f"{PATH}/{hook.id}", permit, expect=(200, 204))
        except RefusedError as error:
            if error.code != "missing":
                raise

    def _is_ours(self, hook: HookData) -> bool:
        if _lower(hook.headers).get(OWNER_HEADER) == str(self._connection):
            return True
        return self._marker in f"{hook.destination.partition('?')[0]}/"

    def _state(self, hook: HookData) -> HookState:
        return HookState(
            id=str(hook.id),
            scope=hook.scope,
            destination=hook.destination,
            is_active=hook.is_active,
            is_ours=self._is_ours(hook),
        )

    def _refuse_url(self, url: str) -> None:
        if self._settings.allow_http_hooks:
            return
        scheme, _, rest = url.partition("://")
        host, _, port = rest.partition("/")[0].rpartition("@")[2].rpartition(":")
        if scheme != "https" or (host and port not in {"", "443"} and not port.endswith("]")):
            raise ConfigError(
                "BigCommerce delivers webhooks only to https on port 443; change the hub's public address"
            )

    def receive(self, request: HookRequest, *, now: datetime) -> Sequence[Notice]:
        """Verify the raw bytes, then translate. Raises BadSignatureError or BadRequestError, and nothing else."""
        verify(
            request.headers,
            request.body,
            now=now,
            client_secret=self._client_secret,
            hook_secret=self._hook_secret,
        )
        body = read_strictly(request.body)
        if not isinstance(body, dict):
            raise BadRequestError("the body of a webhook must be a JSON object")
        scope, data = body.get("scope"), body.get("data")
        if not isinstance(scope, str) or not isinstance(data, dict):
            raise BadRequestError("a webhook needs scope (text) and data (object)")
        producer = body.get("producer")
        if isinstance(producer, str) and producer and producer != f"stores/{self._settings.store_hash}":
            return ()
        target = target_of(scope, data)
        if target is None:
            return ()
        kind, key, event = target
        return (
            Notice(
                connection=self._connection,
                kind=kind,
                key=key,
                cause=Cause.WEBHOOK,
                event=event,
                delivery_id=_delivery_id(request.headers, body),
                topic=scope,
                happened_at=_happened_at(body.get("created_at")),
                body_hash=hashlib.sha256(request.body).digest(),
                priority=Priority.DELETE if event is Event.DELETED else Priority.NORMAL,
            ),
        )


def target_of(scope: str, data: Mapping[str, Any]) -> tuple[Kind, Key, Event] | None:
    """Which key an event is about; None when it is none of our business. Raises BadRequestError without its id."""
    parts = scope.split("/")
    match parts:
        case ["store", "product", "created" | "updated"]:
            return Kind.PRODUCT, _key(scope, data, "id"), Event.CHANGED
        case ["store", "product", "deleted"]:
            return Kind.PRODUCT, _key(scope, data, "id"), Event.DELETED
        case ["store", "category", "created" | "updated"]:
            return Kind.CATEGORY, _key(scope, data, "id"), Event.CHANGED
        case ["store", "category", "deleted"]:
            return Kind.CATEGORY, _key(scope, data, "id"), Event.DELETED
        case ["store", "sku", "created" | "updated" | "deleted"]:
            return Kind.PRODUCT, _key(scope, _inner(data, "sku"), "product_id"), Event.CHANGED
        case ["store", "product", "inventory", *_]:
            return Kind.PRODUCT, _key(scope, {**data, **_inner(data, "inventory")}, "product_id", "id"), Event.CHANGED
        case ["store", "sku", "inventory", *_]:
            return Kind.PRODUCT, _key(scope, _inner(data, "inventory"), "product_id"), Event.CHANGED
        case ["store", "channel", _, "product", *_]:
            return Kind.PRODUCT, _key(scope, data, "product_id", "entity_id", "id"), Event.CHANGED
        case ["store", "channel", _, "inventory", "product", *_]:
            inner = {**data, **_inner(data, "inventory")}
            return Kind.PRODUCT, _key(scope, inner, "product_id", "entity_id", "id"), Event.CHANGED
        case _:
            return None


def _inner(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    inner = data.get(name)
    return inner if isinstance(inner, dict) else {}


def _key(scope: str, data: Mapping[str, Any], *names: str) -> Key:
    for name in names:
        value = data.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 63:
            return Key(str(value))
    raise BadRequestError(f"a webhook of {scope} needs {' or '.join(names)} (a whole number) in its data")


def _delivery_id(headers: Mapping[str, str], body: Mapping[str, Any]) -> str | None:
    """What equal deliveries have in common: the message id, else the vendor's hash of the event and its time."""
    message_id = headers.get(ID)
    if message_id:
        return message_id[:256]
    event_hash = body.get("hash")
    if isinstance(event_hash, str) and event_hash:
        return f"{event_hash[:128]}:{_happened_at(body.get('created_at'))}"
    return None


def _happened_at(value: Any) -> datetime | None:
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 33:
        return datetime.fromtimestamp(value, UTC)
    return None


def _lower(headers: Mapping[str, str] | None) -> dict[str, str]:
    return {name.lower(): value for name, value in (headers or {}).items()}


def _revealed(secret: Any) -> str | None:
    return secret.get_secret_value() if secret is not None else None
