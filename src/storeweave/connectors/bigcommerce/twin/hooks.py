"""Webhook subscriptions: per client, few per scope, https on port 443 (plain http only where it stays in the house)."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from msgspec.structs import replace

from storeweave.connectors.bigcommerce.twin import render
from storeweave.connectors.bigcommerce.twin.goods import Hook
from storeweave.connectors.bigcommerce.twin.shop import Shop
from storeweave.twinkit.router import Route
from storeweave.twinkit.wire import Answer, Call, Refusal, encode

MOST_PER_SCOPE = 10
INVALID = "JSON data is missing or invalid"
SCOPE = re.compile(r"store/[A-Za-z0-9_*]+(/[A-Za-z0-9_*]+)*")
IN_THE_HOUSE = ("localhost", "127.0.0.1", "::1")


def list_hooks(shop: Shop, call: Call) -> Answer:
    hooks = [hook for hook in shop.announcer.hooks.values() if hook.client_id == shop.client_id]
    query = call.query
    if "scope" in query:
        hooks = [hook for hook in hooks if hook.scope == query["scope"]]
    if "destination" in query:
        hooks = [hook for hook in hooks if hook.destination == query["destination"]]
    if "is_active" in query:
        hooks = [hook for hook in hooks if hook.is_active == (query["is_active"].lower() in {"1", "true"})]
    return render.paged(call, hooks)


def get_hook(shop: Shop, call: Call, hook_id: int) -> Answer:
    del call
    return render.one(encode(_find(shop, hook_id)))


def create_hook(shop: Shop, call: Call) -> Answer:
    body = call.json()
    fields = _fields(shop, body, required=True)
    now = int(shop.clock.now().timestamp())
    hook = Hook(
        id=shop.next_id("hook"),
        client_id=shop.client_id,
        store_hash=shop.settings.store_hash,
        created_at=now,
        updated_at=now,
        **fields,
    )
    _require_room(shop, hook)
    shop.announcer.hooks[hook.id] = hook
    return render.one(encode(hook))


def update_hook(shop: Shop, call: Call, hook_id: int) -> Answer:
    fields = _fields(shop, call.json(), required=False)
    if not fields:
        raise Refusal(422, INVALID, {"": "at least one field is required"})
    hook = replace(_find(shop, hook_id), updated_at=int(shop.clock.now().timestamp()), **fields)
    _require_room(shop, hook)
    shop.announcer.hooks[hook_id] = hook
    return render.one(encode(hook))


def delete_hook(shop: Shop, call: Call, hook_id: int) -> Answer:
    del call
    hook = _find(shop, hook_id)
    del shop.announcer.hooks[hook_id]
    return render.one(encode(hook))


def _fields(shop: Shop, body: Any, *, required: bool) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise Refusal(400, INVALID)
    fields: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for name in ("scope", "destination"):
        if name in body:
            fields[name] = body[name]
        elif required:
            errors[name] = "error.path.missing."
    if "scope" in fields and (not isinstance(fields["scope"], str) or not SCOPE.fullmatch(fields["scope"])):
        errors["scope"] = "not a scope"
    if "destination" in fields and not _reachable(shop, fields["destination"]):
        errors["destination"] = "must be an https URL on port 443"
    if "is_active" in body:
        fields["is_active"] = bool(body["is_active"])
    if "headers" in body:
        headers = body["headers"]
        if headers is not None and not (
            isinstance(headers, dict) and all(isinstance(v, str) for v in headers.values())
        ):
            errors["headers"] = "must be an object of strings"
        fields["headers"] = headers
    if errors:
        raise Refusal(422, INVALID, errors)
    return fields


def _reachable(shop: Shop, url: Any) -> bool:
    if not isinstance(url, str):
        return False
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        return False
    if parts.scheme == "https" and parts.hostname and port in {None, 443}:
        return True
    near = parts.hostname in IN_THE_HOUSE or (parts.hostname or "").endswith(".test")
    return shop.settings.allow_http_hooks and parts.scheme in {"http", "https"} and near


def _require_room(shop: Shop, hook: Hook) -> None:
    others = [
        other
        for other in shop.announcer.hooks.values()
        if other.client_id == hook.client_id and other.scope == hook.scope and other.id != hook.id
    ]
    if any(other.destination == hook.destination for other in others):
        raise Refusal(422, "A webhook with this scope and destination exists", {"destination": "is a duplicate"})
    if len(others) >= MOST_PER_SCOPE:
        raise Refusal(422, "Too many webhooks for this scope", {"scope": f"at most {MOST_PER_SCOPE} per scope"})


def _find(shop: Shop, hook_id: int) -> Hook:
    hook = shop.announcer.hooks.get(hook_id)
    if hook is None or hook.client_id != shop.client_id:
        raise Refusal(404, "The resource was not found.")
    return hook


ROUTES = [
    Route(method="GET", template="/hooks", handler=list_hooks),
    Route(method="POST", template="/hooks", handler=create_hook),
    Route(method="GET", template="/hooks/{webhook_id}", handler=get_hook),
    Route(method="PUT", template="/hooks/{webhook_id}", handler=update_hook),
    Route(method="DELETE", template="/hooks/{webhook_id}", handler=delete_hook),
]
