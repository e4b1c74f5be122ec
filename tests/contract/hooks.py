"""The part of the connector contract that is about webhooks: subscriptions, genuine and forged requests."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from storeweave.model.errors import BadRequestError, BadSignatureError
from storeweave.model.kinds import Key, Kind
from storeweave.model.records import Cause
from storeweave.ports.connector import HookRequest
from tests.contract.stage import FREE, Stage

URL = "https://hub.example/webhooks/shop/5ecret"
OTHER_URL = "https://new.example/webhooks/shop/5ecret"


class HookContract:
    """Promises of a connector whose system tells of changes."""

    async def open(self, account: str = "one") -> Stage:
        """An empty account; another name is another account of the same system."""
        raise AssertionError("a subclass opens an account")

    async def test_hooks_are_made_once(self) -> None:
        stage = await self.open()
        first = await stage.hooked().ensure_hooks(URL, FREE)
        assert first.created
        again = await stage.hooked().ensure_hooks(URL, FREE)
        assert (again.created, again.moved, again.activated, again.removed) == ((), (), (), ())
        assert set(again.kept) == set(first.created)
        hooks = await stage.hooked().list_hooks(FREE)
        assert {hook.scope for hook in hooks if hook.is_ours and hook.is_active} >= set(first.created)

    async def test_hooks_move_to_a_new_address(self) -> None:
        stage = await self.open()
        first = await stage.hooked().ensure_hooks(URL, FREE)
        await stage.hooked().ensure_hooks(OTHER_URL, FREE)
        ours = [hook for hook in await stage.hooked().list_hooks(FREE) if hook.is_ours]
        assert {hook.scope for hook in ours} == set(first.created)
        assert all(hook.destination.startswith(OTHER_URL) for hook in ours)

    async def test_our_hooks_can_be_removed(self) -> None:
        stage = await self.open()
        report = await stage.hooked().ensure_hooks(URL, FREE)
        assert await stage.hooked().remove_hooks(FREE) == len(report.created)
        assert [hook for hook in await stage.hooked().list_hooks(FREE) if hook.is_ours] == []
        assert await stage.hooked().remove_hooks(FREE) == 0

    async def test_a_genuine_request_becomes_a_notice(self) -> None:
        stage = await self.open()
        (notice,) = stage.hooked().receive(self.genuine(stage), now=stage.now())
        assert (notice.kind, notice.key, notice.cause) == (Kind.PRODUCT, Key("77"), Cause.WEBHOOK)

    async def test_the_same_request_has_the_same_delivery_id(self) -> None:
        stage = await self.open()
        request = self.genuine(stage)
        (first,) = stage.hooked().receive(request, now=stage.now())
        (again,) = stage.hooked().receive(request, now=stage.now())
        assert first.delivery_id == again.delivery_id

    async def test_a_changed_body_is_refused(self) -> None:
        stage = await self.open()
        request = self.genuine(stage)
        for body in (request.body + b" ", request.body.replace(b"77", b"78"), b"", b"{}"):
            self.refuse(stage, msgspec.structs.replace(request, body=body))

    async def test_a_missing_or_changed_signature_is_refused(self) -> None:
        stage = await self.open()
        request = self.genuine(stage)
        for name in [header for header in request.headers if "signature" in header]:
            rest = {header: value for header, value in request.headers.items() if header != name}
            self.refuse(stage, msgspec.structs.replace(request, headers=rest))
            for wrong in ("", "v1,", "x" * 5000, "v1,\u00e9\u4e2d", request.headers[name][:-3] + "AAA"):
                self.refuse(stage, msgspec.structs.replace(request, headers={**request.headers, name: wrong}))
        self.refuse(stage, msgspec.structs.replace(request, headers={}))

    async def test_a_request_of_another_account_is_refused(self) -> None:
        stage, other = await self.open("one"), await self.open("two")
        self.refuse(stage, self.genuine(other))

    async def test_a_request_from_long_ago_or_from_the_future_is_refused(self) -> None:
        stage = await self.open()
        request = self.genuine(stage)
        for wrong in (timedelta(minutes=6), -timedelta(minutes=6)):
            with pytest.raises(BadSignatureError):
                stage.hooked().receive(request, now=stage.now() + wrong)

    async def test_a_genuine_request_that_cannot_be_read_is_a_bad_request(self) -> None:
        stage = await self.open()
        assert stage.signed is not None
        for body in (b"", b"nonsense", b"[]", b"{}", b'{"scope": 3}', b"\xff\xfe"):
            with pytest.raises(BadRequestError):
                stage.hooked().receive(stage.signed(body), now=stage.now())

    def genuine(self, stage: Stage) -> HookRequest:
        assert stage.signed is not None, "this system signs its webhooks"
        return stage.signed(None)

    def refuse(self, stage: Stage, request: HookRequest) -> None:
        with pytest.raises(BadSignatureError):
            stage.hooked().receive(request, now=stage.now())
